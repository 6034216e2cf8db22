"""The one place where metrics look at a pixel's range. Clips are (B, C, T, H, W) in [-1, 1]."""

import torch
from torch import Tensor

RANGE_SLACK = 1e-3  # resampling overshoots by rounding only; a [0, 255] clip by far more


def displayed(clip: Tensor) -> Tensor:
    """Clamp a clip (B, C, T, H, W) to [-1, 1], as a screen would.

    A value that is not finite becomes NaN: clamping alone would turn an infinity into white and
    give a broken reconstruction a respectable score.
    """
    return clip.clamp(-1, 1).masked_fill(~clip.isfinite(), torch.nan)


def unit_range(clip: Tensor) -> Tensor:
    """Map a clip (B, C, T, H, W) from [-1, 1] to clamp((x + 1) / 2, 0, 1), in float64."""
    return (displayed(clip).double() + 1) / 2


def check_pair(a: Tensor, b: Tensor) -> None:
    """Refuse two clips that cannot be compared pixel by pixel.

    Raises:
        ValueError: not (B, C, T, H, W), shapes differ, or not floating point (differences of
            bytes wrap around, and bytes are not in [-1, 1]).
    """
    if a.ndim != 5 or a.shape != b.shape:
        raise ValueError(
            "clips must both be (B, C, T, H, W) of one shape, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    for clip in (a, b):
        if not clip.is_floating_point():
            raise ValueError(f"pixels must be floats in [-1, 1], got {clip.dtype}")


def check_original(clip: Tensor) -> None:
    """Refuse an original clip (B, C, T, H, W) that leaves [-1, 1] or is not finite.

    Raises:
        ValueError: the clip was not brought to [-1, 1].
    """
    low, high = clip.min().item(), clip.max().item()
    if not (low >= -1 - RANGE_SLACK and high <= 1 + RANGE_SLACK):  # also catches NaN
        raise ValueError(f"original pixels must be in [-1, 1], got [{low:g}, {high:g}]")
