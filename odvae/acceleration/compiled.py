"""Coding by the model's own modules, compiled: for a GPU.

There the matrix units make arithmetic cheap and traffic with the memory dear, so nothing is
rewritten: weights and activations lie channels last, as the matrix units read them, and the
compiler fuses all between two convolutions (norm, swish, the repeated first frame, upsampling)
into kernels that write what the next convolution reads. No padded copy is made.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from odvae.model.streaming import State, stream_through

_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the weight's axes


class CompiledCoder(nn.Module):
    """What modules in a row compute, a batch at a time.

    The first call compiles it, for that size; another size compiles it once more, for any size.
    Images, and pieces of a video by whether they begin or end it, are compiled by themselves.
    ``backend`` is one of ``torch.compile``.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        dtype: torch.dtype,
        *,
        backend: str | Callable[..., Any] = "inductor",
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.parts = nn.ModuleList(_prepared(module, dtype) for module in modules)
        self.through = torch.compile(_copied(_through), backend=backend)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """The next piece (B, C, T, H, W), or the whole clip, to (B, C', T', H', W') and state."""
        y = x.to(self.dtype, memory_format=torch.channels_last_3d)
        y, state = self.through(self.parts, y, state, last)
        return y.to(x.dtype, memory_format=torch.contiguous_format), None if last else state


def _through(parts: nn.ModuleList, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
    if state is not None or not last:
        return stream_through(list(parts), x, state, last=last)
    for part in parts:
        x = part(x)
    return x, None


def _copied(function: Callable[..., Any]) -> Callable[..., Any]:
    """With code of its own: the forms that are compiled of one code, all models', are limited."""
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__.replace(), function.__globals__)


def _prepared(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy in that precision, without gradients, its convolutions channels last."""
    copy = deepcopy(module).to(dtype).eval().requires_grad_(False)
    for parameter in copy.parameters():
        if parameter.ndim in _CHANNELS_LAST:
            parameter.data = parameter.data.contiguous(memory_format=_CHANNELS_LAST[parameter.ndim])
    return copy
