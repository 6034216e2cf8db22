"""What a diffusion model is trained on, wherever it is kept. Latents are (B, c, t, h, w)."""

from typing import Protocol

from torch import Tensor

LatentShape = tuple[int, int, int, int]
"""(c, t, h, w) of the latents of a clip."""

NO_CLASS = -1
"""The label of a clip that has none, and of a sample that is to be of none."""


class Latents(Protocol):
    """Latents of a set of clips, numbered from 0, brought to unit variance."""

    def __len__(self) -> int:
        """How many clips there are."""
        ...

    @property
    def shape(self) -> LatentShape:
        """(c, t, h, w) of those of a clip."""
        ...

    def sample(self, numbers: Tensor, *, noise: Tensor | None) -> Tensor:
        """Latents of some clips, drawn from their posteriors.

        Args:
            numbers: int64 (B,), on the CPU.
            noise: (B, c, t, h, w), so many standard deviations from the mean of the posterior;
                None: the mean. Without effect where the VAE has no posterior.

        Returns:
            float32 (B, c, t, h, w) on the CPU, of unit variance over the set.
        """
        ...

    def labels(self, numbers: Tensor) -> Tensor:
        """Classes of some clips, int64 (B,); -1 where a clip has none."""
        ...
