"""How a clip is stored here: (T, C, H, W) with channels last, each frame and the clip one block.

In this layout frames, runs of frames, rows of a frame and the clip as one tall image are all views,
and every 2D convolution takes them as they are. A batch is coded clip by clip.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from odvae.model.streaming import State


class Stage(nn.Module):
    """An operator on a clip that comes in one or more pieces (T, C, H, W).

    A stage owns the piece it gets and may overwrite it. It stores nothing but weights: what it
    needs of the pieces before is passed in and returned, as in ``odvae.model.streaming``.
    """

    framewise = False  # whether each frame is worked on by itself, so that there is no state

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """The next piece (T, C, H, W), or the whole clip, to (T', C', H', W') and the next state.

        Args:
            x: frames, any number of them.
            state: what the piece before returned.
            last: no piece comes after this one.
        """
        raise NotImplementedError


class Rows(NamedTuple):
    """A strip of a frame of so many rows: those from first to last, the last not included."""

    first: int
    last: int
    height: int

    @property
    def seen(self) -> slice:
        """The rows that a 3x3 convolution of the strip reads."""
        return slice(max(0, self.first - 1), min(self.height, self.last + 1))

    @property
    def at_border(self) -> bool:
        """Whether the strip touches the top or the bottom of the frame."""
        return self.first == 0 or self.last == self.height


def strips(height: int, most_rows: int) -> Iterator[Rows]:
    """Cut a frame into strips of about equal height, none above ``most_rows``."""
    count = -(-height // max(1, most_rows))
    edges = [height * i // count for i in range(count + 1)]
    for first, last in pairwise(edges):
        yield Rows(first, last, height)


def frames_at_once(x: Tensor, most: int) -> int:
    """How many frames of a clip (T, C, H, W) hold at most so many numbers; at least one."""
    return max(1, most // max(1, x[:1].numel()))


def new_clip(like: Tensor, frames: int, channels: int, height: int, width: int) -> Tensor:
    """An empty clip (T, C, H, W) with the dtype and device of another."""
    flat = like.new_empty(frames, height, width, channels)
    return flat.permute(0, 3, 1, 2)


def joined(pieces: Sequence[Tensor]) -> Tensor:
    """Clips (T, C, H, W) one after the other, copied."""
    return torch.cat([piece.permute(0, 2, 3, 1) for piece in pieces]).permute(0, 3, 1, 2)


def as_matrix(x: Tensor) -> Tensor:
    """(T, C, H, W), or a strip of rows of it, as a view (T, H * W * C)."""
    return x.permute(0, 2, 3, 1).view(x.shape[0], -1)


def as_pixels(x: Tensor) -> Tensor:
    """(T, C, H, W) as a view (T * H * W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def of_pixels(pixels: Tensor, like: Tensor) -> Tensor:
    """(T * H * W, C') back to (T, C', H, W), with T, H and W of another clip."""
    frames, _, height, width = like.shape
    return pixels.view(frames, height, width, pixels.shape[1]).permute(0, 3, 1, 2)
