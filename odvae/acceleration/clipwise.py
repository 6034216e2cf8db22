"""Coding clip by clip through stages that rewrite the arithmetic: for a CPU."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from odvae.acceleration.building import pipeline
from odvae.model.streaming import State


class ClipwiseCoder(nn.Module):
    """What modules in a row compute. The clips of a batch run in turns, in the memory of one."""

    def __init__(self, modules: Iterable[nn.Module], dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.stages = pipeline(modules, dtype)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """The next piece (B, C, T, H, W), or the whole clip, to (B, C', T', H', W') and state."""
        states = state or [None] * len(x)
        coded, after = [], []
        for clip, state_before in zip(x, states, strict=True):
            y, state_after = self.stages(_stored(clip, self.dtype), state_before, last=last)
            coded.append(y.to(x.dtype).transpose(0, 1))  # (C', T', H', W')
            after.append(state_after)
            del y
        return torch.stack(coded).contiguous(), None if last else after


def _stored(clip: Tensor, dtype: torch.dtype) -> Tensor:
    """(C, T, H, W) to a copy (T, C, H, W) with channels last, which the stages may overwrite."""
    frames = clip.permute(1, 2, 3, 0).to(dtype, copy=True, memory_format=torch.contiguous_format)
    return frames.permute(0, 3, 1, 2)
