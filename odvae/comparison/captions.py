"""Text above a video. Pictures are (3, H, W) and clips (3, T, H, W), in [-1, 1]."""

import textwrap
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from odvae.data import to_pixels

STRIP_PX = 48  # three lines
_DPI = 100
_LETTER_PX = 6.4  # of the font below, on average
_FONT_PT = 8
_LINES = 3


def strip(texts: Sequence[str], *, column_px: int) -> Tensor:
    """A white strip (3, STRIP_PX, columns * column_px) with a text centred in each column."""
    width_px = column_px * len(texts)
    figure = Figure(figsize=(width_px / _DPI, STRIP_PX / _DPI), dpi=_DPI, facecolor="white")
    for place, text in enumerate(texts):
        figure.text(
            (place + 0.5) / len(texts),
            0.5,
            _fitted(text, column_px),
            ha="center",
            va="center",
            fontsize=_FONT_PT,
        )
    drawn = BytesIO()
    figure.savefig(drawn, format="rgba", dpi=_DPI)
    rgba = np.frombuffer(drawn.getvalue(), dtype=np.uint8).reshape(1, STRIP_PX, width_px, 4)
    return to_pixels(rgba[..., :3])[:, 0]


def above(clip: Tensor, picture: Tensor) -> Tensor:
    """A clip with a picture of the same width above each frame."""
    frames = picture.unsqueeze(1).expand(-1, clip.shape[1], -1, -1)  # (3, T, h, W)
    return torch.cat([frames, clip], dim=2)


def _fitted(text: str, width_px: int) -> str:
    """At most three lines that fit into a column."""
    letters = max(8, int(width_px / _LETTER_PX))
    lines = [piece for line in text.splitlines() for piece in textwrap.wrap(line, letters)]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 2], f"{lines[_LINES - 2][: letters - 1]}…", lines[-1]]
    return "\n".join(lines)
