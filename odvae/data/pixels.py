"""The one place that turns frames into pixels, pixels into frames, and resizes.

Frames are uint8 (T, H, W, 3), RGB, 0..255. Pixels are float32 (3, T, H, W) in [-1, 1].
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from odvae.clip_terms import ResizeFilter

_HALF_RANGE = 127.5  # 0..255 is [-1, 1]
_FLOAT_SLACK = 1e-3  # levels by which float32 may fall short of a whole one


def to_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """uint8 (T, H, W, 3) -> float32 (3, T, H, W) in [-1, 1], contiguous."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"expected uint8 (T, H, W, 3), got {frames.dtype} {frames.shape}")
    pixels = torch.empty(3, *frames.shape[:3], dtype=torch.float32)
    pixels.copy_(torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2))
    return pixels.div_(_HALF_RANGE).sub_(1)


def to_uint8(pixels: Tensor, *, down: bool = False) -> NDArray[np.uint8]:
    """(3, T, H, W) in [-1, 1] -> uint8 (T, H, W, 3); values outside are clamped.

    Args:
        down: cut off what lies between two levels, instead of rounding to the nearest.
    """
    if pixels.ndim != 4 or pixels.shape[0] != 3:
        raise ValueError(f"expected (3, T, H, W), got {tuple(pixels.shape)}")
    levels = pixels.detach().to("cpu", torch.float32).add(1).mul(_HALF_RANGE)
    whole = levels.add(_FLOAT_SLACK).floor() if down else levels.round()
    frames = whole.clamp(0, 255).to(torch.uint8).permute(1, 2, 3, 0)
    return np.ascontiguousarray(frames.numpy())


def resized_shape(height: int, width: int, *, short_side_px: int) -> tuple[int, int]:
    """Height and width in px once the short side is ``short_side_px``, the long side rounded."""
    short = min(height, width)
    return round(height * short_side_px / short), round(width * short_side_px / short)


def resize_short_side(
    frames: NDArray[np.uint8],
    short_side_px: int,
    *,
    resize: ResizeFilter = ResizeFilter.bicubic_antialias,
) -> NDArray[np.uint8]:
    """Resize uint8 (T, H, W, 3) to a short side in px, rounded to uint8."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"expected uint8 (T, H, W, 3), got {frames.dtype} {frames.shape}")
    size = resized_shape(frames.shape[1], frames.shape[2], short_side_px=short_side_px)
    if size == frames.shape[1:3]:
        return frames
    # Kept channels-last: torch has a path for it that is ten times faster than channels-first.
    planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    mode = "bicubic" if resize is ResizeFilter.bicubic_antialias else "bilinear"
    antialias = resize is not ResizeFilter.bilinear
    resized = interpolate(planes, size=size, mode=mode, antialias=antialias)
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1).numpy())
