"""What encoders return: a diagonal Gaussian, or latents alone. Tensors are (B, C, T, H, W)."""

from dataclasses import dataclass

import torch
from torch import Tensor

LOGVAR_RANGE = (-30.0, 20.0)


@dataclass(frozen=True)
class Posterior:
    """q(z | video): a normal distribution per latent value.

    ``moments`` is (B, 2 C, T, H, W): the mean, then the raw log-variance as the encoder gave it.
    Tiles are blended on these; the log-variance is clamped only when it is used.
    """

    moments: Tensor

    @property
    def mean(self) -> Tensor:
        """(B, C, T, H, W)."""
        return self.moments.chunk(2, dim=1)[0]

    @property
    def logvar(self) -> Tensor:
        """Log-variance clamped to [-30, 20], (B, C, T, H, W)."""
        return self.moments.chunk(2, dim=1)[1].clamp(*LOGVAR_RANGE)

    def mode(self) -> Tensor:
        """The most likely latents: the mean."""
        return self.mean

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Latents drawn with the given generator, (B, C, T, H, W)."""
        return self.at(torch.empty_like(self.mean).normal_(generator=generator))

    def at(self, noise: Tensor) -> Tensor:
        """Latents at so many standard deviations from the mean, (B, C, T, H, W)."""
        return self.mean + (0.5 * self.logvar).exp() * noise

    def kl(self) -> Tensor:
        """Divergence from the unit normal, summed over each clip, in nats, (B,)."""
        mean, logvar = self.mean, self.logvar
        return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=(1, 2, 3, 4))


@dataclass(frozen=True)
class Deterministic:
    """Latents without a posterior, as of a VQ model. ``moments`` is the mean alone."""

    moments: Tensor

    def mode(self) -> Tensor:
        """The latents."""
        return self.moments

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """The latents: there is nothing to draw."""
        return self.moments


Encoding = Posterior | Deterministic
