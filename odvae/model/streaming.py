"""Clips of any length in pieces: what an operator keeps of the past is passed in and returned.

Nothing is stored in modules, so two videos may be streamed in turns, and activation checkpointing
and compilation see pure functions.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from odvae.model.causality import FRAMEWISE_OF_TORCH

State = Any  # tensors in nested tuples, opaque to callers; None before the first frame


@runtime_checkable
class Streams(Protocol):
    """An operator along time that can work on a clip piece by piece."""

    def stream(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """The output frames that the next input frames complete.

        Over all pieces of a clip, the outputs joined are ``forward`` of the pieces joined.

        Args:
            x: the next frames, (B, C, n, H, W); n may be 0.
            state: what the call before returned; None for the first.
            last: no frame comes after these, so what waits for a look-ahead is put out.

        Returns:
            (B, C', n', H', W'), n' may be 0, and the state for the next call.
        """
        ...


def stream_through(
    stages: Sequence[nn.Module], x: Tensor, states: State, *, last: bool
) -> tuple[Tensor, State]:
    """Send the next frames through a pipeline; as ``Streams.stream``, with a state per stage.

    Raises:
        TypeError: a stage that cannot be streamed.
    """
    if states is None:
        states = (None,) * len(stages)
    after = []
    for stage, state in zip(stages, states, strict=True):
        x, state_after = _stream(stage, x, state, last=last)
        after.append(state_after)
    return x, tuple(after)


def _stream(stage: nn.Module, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
    if isinstance(stage, FRAMEWISE_OF_TORCH):
        return stage(x), None
    if isinstance(stage, Streams):
        return stage.stream(x, state, last=last)
    raise TypeError(f"{type(stage).__name__} cannot be streamed")
