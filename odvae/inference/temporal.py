"""Temporal tiling (paper section 3.3). Every tensor is (B, C, T, H, W)."""

from collections.abc import Callable

import torch
from torch import Tensor


def apply_in_groups(fn: Callable[[Tensor], Tensor], x: Tensor, *, group: int) -> Tensor:
    """Apply a function along time in groups that share one frame with their neighbour.

    The shared frame is the first of its later group, whose first output is dropped: the group
    before has made it already, with more of the past in view. Nothing is blended.

    Args:
        fn: maps (B, C, T, H, W) to (B, C', T', H', W'), frame 0 to frame 0.
        x: (B, C, T, H, W).
        group: frames in a group, at least 2; the last one may be shorter.

    Returns:
        (B, C', T', H', W'), joined along time.
    """
    starts = range(0, max(x.shape[2] - 1, 1), group - 1)
    first, *later = (fn(x[:, :, start : start + group]) for start in starts)
    return torch.cat([first, *(part[:, :, 1:] for part in later)], dim=2)
