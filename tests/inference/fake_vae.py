"""A video VAE whose answers are known, and that remembers what it was asked. (B, C, T, H, W)."""

import torch
from torch import Tensor

from odvae.model import ClipLengths, Compression, LatentScaling, Posterior


class FrameNumberVAE:
    """Latent j is frame c_t j, decoded frame t is latent ceil(t / c_t): no context at all."""

    def __init__(self, time_compression: int = 4) -> None:
        self.compression = Compression(time_compression, 1, 1)
        self.clip_lengths = ClipLengths(step=time_compression)
        self.latent_channels = 1
        self.latent_scaling = LatentScaling()
        self.input_range = (-1.0, 1.0)
        self.encoded: list[list[int]] = []  # values of the frames of each call
        self.decoded: list[list[int]] = []  # values of the latents of each call

    def encode(self, video: Tensor) -> Posterior:
        self.encoded.append(values(video))
        if (video.shape[2] - 1) % self.compression.time:
            raise ValueError(f"odd length {video.shape[2]}")
        latents = video[:, :, :: self.compression.time]
        return Posterior(torch.cat([latents, -latents], dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        self.decoded.append(values(latents))
        later = latents[:, :, 1:].repeat_interleave(self.compression.time, dim=2)
        return torch.cat([latents[:, :, :1], later], dim=2)


def numbered(frames: int) -> Tensor:
    """A clip whose frame t has the value t: (1, 1, frames, 1, 1)."""
    return torch.arange(float(frames)).view(1, 1, frames, 1, 1)


def values(x: Tensor) -> list[int]:
    """The value of each frame of such a clip."""
    return [int(value) for value in x[0, 0, :, 0, 0]]
