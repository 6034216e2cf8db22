"""How large latents are, from sums that add up over shards. Latents are (B, c, t, h, w)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.model import Encoding, LatentScaling, Posterior


@dataclass(frozen=True, eq=False)
class LatentSums:
    """Of latents as they are drawn: the noise of the posterior counts.

    ``values`` is float64 (3, c), by channel: their number, their sum, the sum of their squares.
    """

    values: Tensor

    @classmethod
    def of(cls, encoding: Encoding) -> "LatentSums":
        """Of the latents of some clips."""
        mean = encoding.mode().double()
        square = mean.square()
        if isinstance(encoding, Posterior):
            square = square + encoding.logvar.double().exp()
        sums = [part.sum(dim=(0, 2, 3, 4)) for part in (torch.ones_like(mean), mean, square)]
        return cls(torch.stack(sums).cpu())

    def __add__(self, other: "LatentSums") -> "LatentSums":
        return LatentSums(self.values + other.values)

    @property
    def is_finite(self) -> bool:
        """Whether all latents were."""
        return bool(self.values.isfinite().all())

    def fitted(self) -> LatentScaling:
        """One scale, without a shift, that brings latents to unit variance about their mean.

        Raises:
            UserError: they are all the same.
        """
        count, total, square = self.values.sum(dim=1).tolist()
        variance = square / count - (total / count) ** 2
        if variance <= 0:
            raise UserError("latents of all clips are one and the same number: no scale fits them")
        return LatentScaling(scale=(1 / math.sqrt(variance),))
