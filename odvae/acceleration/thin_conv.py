"""3x3x3 causal convolutions from or to few channels. Clips are (T, C, H, W), channels last.

They cost little, but a transform along time would cost as much for 3 channels as for 128. So the
taps in time become channels of one 2D convolution, on the side where there are few.
"""

import torch
from torch import Tensor

from odvae.acceleration.clip import Stage, joined
from odvae.acceleration.framewise import apply_framewise
from odvae.acceleration.kernels import SAME_SIZE
from odvae.model.streaming import State

THIN_CHANNELS = 16


class FromThinConv(Stage):
    """For few input channels: each frame is convolved together with the two before it."""

    prepared: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        side_by_side = weight.transpose(1, 2).flatten(1, 2)  # (C_out, 3 C_in, 3, 3)
        self.register_buffer("prepared", SAME_SIZE.prepare(side_by_side))
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        x, state = _after_its_past(x, state)
        triples = torch.cat([x[:-2], x[1:-1], x[2:]], dim=1)
        triples = triples.contiguous(memory_format=torch.channels_last)
        return apply_framewise(SAME_SIZE, triples, self.prepared, self.bias), state


class ToThinConv(Stage):
    """For few output channels: each frame gives its part of three output frames at once."""

    prepared: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        one_above_another = weight.permute(2, 0, 1, 3, 4).flatten(0, 1)  # (3 C_out, C_in, 3, 3)
        self.register_buffer("prepared", SAME_SIZE.prepare(one_above_another))
        self.register_buffer("bias", torch.cat([bias, torch.zeros_like(bias).repeat(2)]))

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        parts, state = _after_its_past(
            apply_framewise(SAME_SIZE, x, self.prepared, self.bias), state
        )
        first, second, third = parts.chunk(3, dim=1)  # what frames give to the second after, ...
        return first[:-2] + second[1:-1] + third[2:], state


def _after_its_past(x: Tensor, state: State) -> tuple[Tensor, State]:
    """The frames with the two before them, and the last two for the next piece."""
    if state is None:
        state = x[:1].expand(2 * len(x[:1]), -1, -1, -1)  # of none there are none before
    x = joined([state, x])
    return x, (x[-2:].clone() if len(x) else None)
