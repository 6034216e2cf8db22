"""Winograd's minimal filtering along one axis (Lavin & Gray, arXiv 1509.09308), for 3 taps.

F(m, 3) gives m outputs of a filter of 3 taps from m + 2 inputs with m + 2 multiplications instead
of 3 m. What is multiplied may be anything linear: here, a number is a frame and a tap is a 2D
convolution.
"""

from dataclasses import dataclass
from functools import cache
from math import prod

import torch
from torch import Tensor

_TAPS = 3
_POINTS = (0, 1, -1, 2, -2)  # and infinity; few and small, since errors grow with their powers


@dataclass(frozen=True)
class Filtering:
    """outputs = joined @ ((taps @ filter) * (inputs @ data)); matrices in float64."""

    inputs: Tensor  # (m + 2, m + 2): data to the values at the points
    taps: Tensor  # (m + 2, 3): the filter, likewise
    outputs: Tensor  # (m, m + 2): products to outputs

    @property
    def tile(self) -> int:
        """m, the outputs it gives at once."""
        return self.outputs.shape[0]

    @property
    def constant_point(self) -> int:
        """A point whose product goes into every output once: what is added there is a bias."""
        return _POINTS.index(1)


@cache
def filtering(tile: int) -> Filtering:
    """F(tile, 3), by evaluation at points and interpolation (Toom and Cook), transposed."""
    points = _POINTS[: tile + 1]
    # Scaled by the Lagrange denominators, so that the transform of data has whole coefficients.
    scales = [prod(p - q for q in points if q != p) for p in points] + [1]
    scale = torch.tensor(scales, dtype=torch.float64).unsqueeze(1)
    inputs = torch.linalg.inv(_powers(points, tile + 2)).T * scale
    return Filtering(
        inputs=inputs.round(),
        taps=_powers(points, _TAPS) / scale,
        outputs=_powers(points, tile).T.contiguous(),
    )


def _powers(points: tuple[int, ...], count: int) -> Tensor:
    """Rows 1, p, p^2, ...; for the point at infinity, the highest power alone."""
    finite = [[float(p) ** i for i in range(count)] for p in points]
    infinity = [0.0] * (count - 1) + [1.0]
    return torch.tensor([*finite, infinity], dtype=torch.float64)
