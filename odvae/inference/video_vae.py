"""What inference asks of a VAE. Tensors are (B, C, T, H, W), pixels in [-1, 1]."""

from typing import Protocol

from torch import Tensor

from odvae.model import Posterior


class VideoVAE(Protocol):
    """Any VAE whose first latent frame stands for frame 0 and each later one for a few more."""

    @property
    def time_compression(self) -> int:
        """Frames per latent frame after the first, c_t; 1 for an image VAE."""
        ...

    @property
    def space_compression(self) -> int:
        """Pixels per latent in H and in W, c_s."""
        ...

    def encode(self, video: Tensor, /) -> Posterior:
        """(B, 3, c_t k + 1, H, W) to a posterior of latents (B, C, k + 1, H / c_s, W / c_s)."""
        ...

    def decode(self, latents: Tensor, /) -> Tensor:
        """(B, C, t, h, w) to pixels (B, 3, 1 + c_t (t - 1), c_s h, c_s w)."""
        ...
