"""Video VAEs whose answers are known. Tensors are (B, C, T, H, W)."""

import torch
from torch import Tensor

from odvae.model import ClipLengths, Compression, Deterministic, Encoding, LatentScaling, Posterior
from odvae.model.streaming import State


class FrameNumberVAE:
    """Latent j is frame c_t j, decoded frame t is latent ceil(t / c_t): no context at all.

    It remembers what it was asked.
    """

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


class LosslessVAE:
    """A block of pixels becomes the channels of one latent, and comes back. Frame 0 is by itself.

    So whatever is lost or moved was lost or moved around the VAE. It refuses what it would cut.
    """

    def __init__(self, compression: Compression, *, first: int = 1, posterior: bool = True) -> None:
        self.compression = compression
        self.clip_lengths = ClipLengths(first=first, step=compression.time)
        self.latent_channels = 3 * compression.volume
        self.latent_scaling = LatentScaling()
        self.input_range = (-1.0, 1.0)
        self.posterior = posterior
        self.largest_px = 0  # side of all that was encoded

    def encode(self, video: Tensor) -> Encoding:
        by = self.compression
        frames, height, width = video.shape[2:]
        self.largest_px = max(self.largest_px, height, width)
        if not self.clip_lengths.takes(frames) or height % by.height or width % by.width:
            raise ValueError(f"odd size {tuple(video.shape)}")
        past = video[:, :, :1].expand(-1, -1, self._past, -1, -1)
        latents = rearranged(torch.cat([past, video], dim=2), by)
        if not self.posterior:
            return Deterministic(latents)
        return Posterior(torch.cat([latents, -latents], dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        return arranged_back(latents, self.compression)[:, :, self._past :]

    @property
    def whole_only(self) -> str | None:
        return None

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        past = video[:, :, :1].expand(-1, -1, self._past, -1, -1) if state is None else state
        waiting = torch.cat([past, video], dim=2)
        whole = waiting.shape[2] // self.compression.time * self.compression.time
        latents = rearranged(waiting[:, :, :whole], self.compression)
        return torch.cat([latents, -latents], dim=1), waiting[:, :, whole:]

    def decode_piece(self, latents: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        video = arranged_back(latents, self.compression)
        return (video[:, :, self._past :] if state is None else video), "begun"

    @property
    def _past(self) -> int:
        return -self.clip_lengths.first % self.compression.time


def rearranged(video: Tensor, by: Compression) -> Tensor:
    """(B, C, T, H, W) to (B, C * volume, T / c_t, H / c_h, W / c_w)."""
    blocks = video.unflatten(4, (-1, by.width)).unflatten(3, (-1, by.height))
    blocks = blocks.unflatten(2, (-1, by.time))  # (B, C, t, c_t, h, c_h, w, c_w)
    latents: Tensor = blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)
    return latents


def arranged_back(latents: Tensor, by: Compression) -> Tensor:
    """The inverse of ``rearranged``."""
    blocks = latents.unflatten(1, (-1, by.time, by.height, by.width))
    blocks = blocks.permute(0, 1, 5, 2, 6, 3, 7, 4)  # (B, C, t, c_t, h, c_h, w, c_w)
    video: Tensor = blocks.flatten(6, 7).flatten(4, 5).flatten(2, 3)
    return video


def numbered(frames: int) -> Tensor:
    """A clip whose frame t has the value t: (1, 1, frames, 1, 1)."""
    return torch.arange(float(frames)).view(1, 1, frames, 1, 1)


def values(x: Tensor) -> list[int]:
    """The value of each frame of such a clip."""
    return [int(value) for value in x[0, 0, :, 0, 0]]
