"""Samples to look at: a video each, and one picture of them all. Clips are (3, T, H, W)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.image import imsave
from numpy.typing import NDArray
from torch import Tensor

from odvae.data import to_uint8, write_video

SHEET_FRAMES = 8
_GAP_PX = 2
_WHITE = 255


def write_sample(folder: Path, number: int, clip: Tensor, *, fps: float) -> Path:
    """Write a clip (3, T, H, W) in [-1, 1] as ``sample_NUMBER.mp4`` into an existing folder."""
    path = folder / f"sample_{number:05d}.mp4"
    write_video(path, clip, fps=fps)
    return path


def contact_sheet(clips: Sequence[Tensor], path: Path, *, frames: int = SHEET_FRAMES) -> None:
    """Write a PNG with a row a clip: some of its frames, evenly spaced, pixel for pixel.

    Args:
        clips: (3, T, H, W) in [-1, 1], all of one size; at least one.
        path: the file, overwritten; its folder exists.
        frames: so many of a clip, or all where it has fewer; the first and the last are among
            them, if they are at least two.
    """
    length = clips[0].shape[1]
    shown = torch.linspace(0, length - 1, min(frames, length)).round().long()
    rows = [_in_a_row(to_uint8(clip[:, shown])) for clip in clips]
    imsave(path, np.concatenate(rows)[:-_GAP_PX, :-_GAP_PX])


def _in_a_row(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3) side by side, with a gap right of and below each."""
    gaps = ((0, 0), (0, _GAP_PX), (0, _GAP_PX), (0, 0))
    return np.concatenate([*np.pad(images, gaps, constant_values=_WHITE)], axis=1)
