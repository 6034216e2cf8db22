"""What a row of the table of diffusers' VAEs says. Tensors are (B, C, T, H, W)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from odvae.model import ClipLengths, Compression, Deterministic, LatentScaling, Posterior

Config = Mapping[str, Any]  # what diffusers keeps as ``vae.config``: its file and the defaults


def of_clip(vae: Any, video: Tensor) -> Tensor:
    """Moments of pixels, as encode gives them: neither split nor clamped. (B, C, ...) to same."""
    moments: Tensor = vae.encode(video).latent_dist.parameters
    return moments


def to_clip(vae: Any, latents: Tensor) -> Tensor:
    """Pixels of latents. (B, C, ...) to the same order."""
    pixels: Tensor = vae.decode(latents).sample
    return pixels


def by_frame(fn: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function of images (B T, C, H, W) to the frames of (B, C, T, H, W)."""
    images = fn(x.transpose(1, 2).flatten(0, 1))
    clip: Tensor = images.unflatten(0, (x.shape[0], -1)).transpose(1, 2)
    return clip


def standardising(
    mean: Sequence[float], std: Sequence[float], *, channels: int, factor: float
) -> LatentScaling:
    """(z - mean) / std * factor. Statistics by latent frame (Cosmos) are pooled to one a channel.

    Args:
        mean: of each channel, or of each latent frame of each channel, channel by channel.
        std: likewise.
        channels: of the latents.
        factor: on top of unit variance.
    """
    means = torch.tensor(mean, dtype=torch.float64).view(channels, -1)
    stds = torch.tensor(std, dtype=torch.float64).view(channels, -1)
    pooled = means.mean(dim=1)
    variance = (stds.square() + (means - pooled[:, None]).square()).mean(dim=1)
    return LatentScaling(
        scale=tuple((factor / variance.sqrt()).tolist()), shift=tuple(pooled.tolist())
    )


def scaling_of_config(vae: Any, channels: int) -> LatentScaling:
    """By latents_mean and latents_std where a configuration has them, else its scaling_factor."""
    mean, std = vae.config.get("latents_mean"), vae.config.get("latents_std")
    factor = float(vae.config.get("scaling_factor", 1.0))
    if mean is None or std is None:
        return LatentScaling(scale=(factor,))
    return standardising(mean, std, channels=channels, factor=factor)


def channels_of_config(config: Config) -> int:
    """What most classes call latent_channels."""
    return int(config["latent_channels"])


def one_latent_more(_: Config, compression: Compression) -> ClipLengths:
    """Frame 0 is coded by itself; as many frames as a latent stands for can follow."""
    return ClipLengths(step=compression.time)


def as_it_is(vae: Any) -> None:
    """Most instances need no preparation."""


@dataclass(frozen=True, kw_only=True)
class DiffusersRow:
    """How a class of diffusers is used as a video VAE."""

    class_name: str
    compression: Callable[[Config], Compression]
    clip_lengths: Callable[[Config, Compression], ClipLengths] = one_latent_more  # none is cut
    latent_channels: Callable[[Config], int] = channels_of_config
    latent_scaling: Callable[[Any, int], LatentScaling] = scaling_of_config  # instance, channels
    encoding: type[Posterior] | type[Deterministic] = Posterior
    moments: Callable[[Any, Tensor], Tensor] = of_clip  # instance, video (B, 3, T, H, W)
    decode: Callable[[Any, Tensor], Tensor] = to_clip  # instance, latents (B, C, t, h, w)
    prepare: Callable[[Any], None] = as_it_is  # once; UserError for one that cannot be used
