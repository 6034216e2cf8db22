"""What every VAE tells about itself. Tensors are (B, C, T, H, W), pixels in [-1, 1]."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from odvae.model.posterior import Encoding
from odvae.model.streaming import State


@dataclass(frozen=True)
class Compression:
    """Pixels of the video per latent, along each axis."""

    time: int  # after the first frame, for a VAE that codes frame 0 by itself
    height: int
    width: int

    @property
    def volume(self) -> int:
        """Video-to-latent ratio of positions: the paper's VCPR (256 for OD-VAE)."""
        return self.time * self.height * self.width

    def __str__(self) -> str:
        return f"{self.time}x{self.height}x{self.width}"


@dataclass(frozen=True, kw_only=True)
class ClipLengths:
    """The numbers of frames that a VAE codes without cutting: first, first + step, ..."""

    first: int = 1
    step: int = 1

    def takes(self, frames: int) -> bool:
        """Whether a clip of so many frames comes back whole."""
        return frames >= self.first and (frames - self.first) % self.step == 0

    def at_least(self, frames: int) -> int:
        """The shortest length it takes that is not below ``frames``."""
        steps = -(-max(0, frames - self.first) // self.step)
        return self.first + steps * self.step

    def __str__(self) -> str:
        return ", ".join(str(self.first + i * self.step) for i in range(3)) + ", ..."


@dataclass(frozen=True, kw_only=True)
class LatentScaling:
    """How latents are brought to unit variance for a diffusion model: (z - shift) * scale."""

    scale: tuple[float, ...] = (1.0,)  # one for all channels, or one a channel
    shift: tuple[float, ...] = (0.0,)

    def normalise(self, latents: Tensor) -> Tensor:
        """(B, C, t, h, w) of the VAE to what a diffusion model is trained on."""
        return (latents - _by_channel(self.shift, latents)) * _by_channel(self.scale, latents)

    def restore(self, latents: Tensor) -> Tensor:
        """The inverse of ``normalise``."""
        return latents / _by_channel(self.scale, latents) + _by_channel(self.shift, latents)


class VideoVAE(Protocol):
    """Any VAE that codes video, of images or of clips."""

    @property
    def compression(self) -> Compression:
        """In time, height and width."""
        ...

    @property
    def clip_lengths(self) -> ClipLengths:
        """Which clips it takes."""
        ...

    @property
    def latent_channels(self) -> int:
        """C of its latents."""
        ...

    @property
    def latent_scaling(self) -> LatentScaling:
        """For diffusion on its latents; encode and decode do not apply it."""
        ...

    @property
    def input_range(self) -> tuple[float, float]:
        """Pixels that the network itself was made for; encode and decode speak [-1, 1] anyway."""
        ...

    def encode(self, video: Tensor, /) -> Encoding:
        """(B, 3, T, H, W) in [-1, 1], of a size it takes, to latents (B, C, t, h, w)."""
        ...

    def decode(self, latents: Tensor, /) -> Tensor:
        """Latents (B, C, t, h, w) to pixels (B, 3, T, H, W), unclamped."""
        ...


@runtime_checkable
class StreamingVAE(VideoVAE, Protocol):
    """One that can work on a video piece by piece, and make of it what it makes of the whole."""

    @property
    def whole_only(self) -> str | None:
        """Why its settings allow whole clips only, and what would do; None: pieces are fine."""
        ...

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """The next frames (B, 3, n, H, W) to the raw moments (B, 2 C, n', h, w) they complete.

        The pieces of a clip have a length together that the VAE takes; ``state`` and ``last``
        are those of ``Streams.stream``.
        """
        ...

    def decode_piece(self, latents: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """The next latents (B, C, n, h, w) to the pixels (B, 3, n', H, W) they complete."""
        ...


def _by_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1, 1)
