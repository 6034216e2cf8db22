"""A video in consecutive pieces, cut anew along time: into chunks, or into the paper's groups.

Temporal tiling is section 3.3 of the paper. Tensors are (B, C, T, H, W).
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from odvae.inference.seams import Seams
from odvae.model import ClipLengths


def windows(pieces: Iterable[Tensor], frames: int, *, shared: int = 0) -> Iterator[Tensor]:
    """Cut a video into windows of equal length, each as soon as its frames are there.

    Args:
        pieces: consecutive (B, C, n, H, W), n of any size.
        frames: T of a window; the last one may be shorter.
        shared: frames of a window that come again as the first of the next one, less than
            ``frames``.

    Returns:
        (B, C, T, H, W), views where a piece holds the whole window; none if there are no frames.
    """
    waiting: list[Tensor] = []
    is_first = True
    for piece in pieces:
        waiting.append(piece)
        if sum(part.shape[2] for part in waiting) < frames:
            continue
        whole = joined(waiting)
        while whole.shape[2] >= frames:
            yield whole[:, :, :frames]
            whole = whole[:, :, frames - shared :]
            is_first = False
        waiting = [whole]
    if waiting:
        rest = joined(waiting)
        if rest.shape[2] > (0 if is_first else shared):
            yield rest


def apply_in_groups(
    fn: Callable[[Tensor], Tensor], pieces: Iterable[Tensor], *, group: int
) -> Iterator[Tensor]:
    """Apply a function along time in groups that share one frame with their neighbour.

    The shared frame is the first of its later group, whose first output is dropped: the group
    before has made it already, with more of the past in view. Nothing is blended.

    Args:
        fn: maps (B, C, T, H, W) to (B, C', T', H', W'), frame 0 to frame 0.
        pieces: consecutive (B, C, n, H, W), n of any size.
        group: frames in a group, at least 2; the last one may be shorter.

    Returns:
        (B, C', n', H', W') of each group, to be joined along time.
    """
    for index, part in enumerate(windows(pieces, group, shared=1)):
        out = fn(part)
        yield out[:, :, 1:] if index else out


def group_seams(frames: int, *, group: int) -> Seams:
    """Where what is kept of later groups begins: at their second frame."""
    starts = range(0, max(frames - 1, 1), group - 1)
    return Seams(frames=tuple(start + 1 for start in starts[1:]))


def continued(pieces: Iterable[Tensor], lengths: ClipLengths) -> Iterator[Tensor]:
    """The pieces, then the last frame repeated up to a length from the list, as one more piece."""
    frames, last_frame = 0, None
    for piece in pieces:
        frames += piece.shape[2]
        last_frame = piece[:, :, -1:]
        yield piece
    missing = lengths.at_least(frames) - frames
    if last_frame is not None and missing:
        yield last_frame.expand(-1, -1, missing, -1, -1)


def joined(parts: list[Tensor]) -> Tensor:
    """Consecutive pieces (B, C, n, H, W), at least one, as one video."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
