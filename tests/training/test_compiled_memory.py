"""What a compiled model keeps for the backward pass."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from odvae.model.layers import ClipGroupNorm, ResnetBlock

FRAMES = 9


def _numbers_kept(of: ResnetBlock, act: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """Numbers of all activations that are kept, weights left aside."""
    weights = {parameter.data_ptr() for parameter in of.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        y = act(x)
    y.sum().backward()
    return sum(kept.values()) // x.element_size()


@pytest.mark.slow
def test_compiled_nothing_is_kept_but_what_norms_and_convolutions_read() -> None:
    """The padded clip is what a kernel writes, not a copy beside the clip that was padded."""
    torch.manual_seed(0)
    block = ResnetBlock(16, 16, spans_time=True, norm=lambda channels: ClipGroupNorm(4, channels))
    x = torch.randn(1, 16, FRAMES, 8, 8, requires_grad=True)
    read = 2 * x.numel() + 2 * x.numel() * (FRAMES + 2) // FRAMES  # by the norms; padded
    small = x.numel() // 10  # statistics
    assert _numbers_kept(block, block, x) > read + 2 * x.numel() - small
    compiled = copy.deepcopy(block)
    assert _numbers_kept(compiled, torch.compile(compiled), x) < read + small
