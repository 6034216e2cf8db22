"""Reconstructions that need no model: what a number must beat to mean anything.

Every function takes pixels (B, C, T, H, W) in [-1, 1] and returns the same shape and range.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.errors import UserError
from odvae.model.architecture import SPACE_COMPRESSION, TIME_COMPRESSION


def mean_colour(clip: Tensor) -> Tensor:
    """Paint every frame of a clip (B, C, T, H, W) with its own mean colour."""
    return clip.mean(dim=(3, 4), keepdim=True).expand_as(clip).contiguous()


def bicubic_8x(clip: Tensor) -> Tensor:
    """Shrink every frame of a clip (B, C, T, H, W) 8 times (antialiased), then enlarge it again.

    Raises:
        UserError: height or width is not a multiple of 8.
    """
    batch, channels, frames, height, width = clip.shape
    if height % SPACE_COMPRESSION or width % SPACE_COMPRESSION:
        raise UserError(f"bicubic_8x needs multiples of 8 px, got {height}x{width}")
    images = clip.transpose(1, 2).flatten(0, 1)  # (B*T, C, H, W)
    small_size = (height // SPACE_COMPRESSION, width // SPACE_COMPRESSION)
    small = F.interpolate(images, size=small_size, mode="bicubic", antialias=True)
    large = F.interpolate(small, size=(height, width), mode="bicubic").clamp(-1, 1)
    return large.view(batch, frames, channels, height, width).transpose(1, 2).contiguous()


def linear_time_4x(clip: Tensor) -> Tensor:
    """Keep frames 0, 4, 8, ... of a clip (B, C, T, H, W), draw the others on lines between them.

    Where T is not 4k + 1, the last frame is repeated up to that length first, as for a VAE.
    """
    frames = clip.shape[2]
    missing = -(frames - 1) % TIME_COMPRESSION
    clip = torch.cat([clip, clip[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)
    keys = clip[:, :, ::TIME_COMPRESSION]  # (B, C, k + 1, H, W)
    before, after = keys[:, :, :-1, None], keys[:, :, 1:, None]  # (B, C, k, 1, H, W)
    steps = torch.arange(TIME_COMPRESSION, dtype=clip.dtype, device=clip.device)
    weight = (steps / TIME_COMPRESSION).view(-1, 1, 1)
    between = (before + weight * (after - before)).flatten(2, 3)  # (B, C, 4k, H, W)
    return torch.cat([between, keys[:, :, -1:]], dim=2)[:, :, :frames]


REFERENCES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean_colour": mean_colour,
    "bicubic_8x": bicubic_8x,
    "linear_time_4x": linear_time_4x,
}
"""Reference reconstructions by the name they are reported under."""
