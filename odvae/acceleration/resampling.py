"""Changes of resolution in time. Clips are (T, C, H, W), channels last."""

import torch
from torch import Tensor

from odvae.acceleration.causal_conv import TemporalConv
from odvae.acceleration.clip import Stage, joined, new_clip
from odvae.acceleration.framewise import halved
from odvae.acceleration.kernels import LINEAR_DOUBLED, NEAREST_DOUBLED
from odvae.model.streaming import State


class SpaceTimeDown(Stage):
    """A 3x3x3 causal convolution with stride 2 in T, H and W, padded right and bottom by a pixel.

    The three taps are 2D convolutions of every other frame; those of frame 0 are summed. The state
    is what later outputs see: the last frame of an even number and, if there is one, its successor.
    """

    summed: Tensor
    taps: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("summed", _channels_last(weight.double().sum(2).to(weight)))
        self.register_buffer("taps", torch.stack([_channels_last(w) for w in weight.unbind(2)]))
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        made = []
        if state is None:
            made.append(halved(x[:1], self.summed, self.bias))
        else:
            x = joined([state, x])
        pairs = max(0, len(x) - 1) // 2
        if pairs:
            y = halved(x[: 2 * pairs : 2], self.taps[0], self.bias)
            y += halved(x[1 : 2 * pairs : 2], self.taps[1], None)
            y += halved(x[2 : 2 * pairs + 1 : 2], self.taps[2], None)
            made.append(y)
        empty = new_clip(x, 0, len(self.bias), x.shape[2] // 2, x.shape[3] // 2)
        rest = x[2 * pairs :].clone()
        return joined(made) if made else empty, rest if len(rest) and not last else None


class SpaceTimeUp(Stage):
    """Double H and W of frame 0 and T, H and W of the rest, then a 3x3x3 causal convolution.

    Time is doubled first, on the small grid. Doubling H and W is left to the convolution's kernel.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, trilinear: bool) -> None:
        super().__init__()
        self.trilinear = trilinear
        self.conv = TemporalConv(weight, bias, LINEAR_DOUBLED if trilinear else NEAREST_DOUBLED)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        double = _linear if self.trilinear else _nearest
        waiting, of_conv = state or (None, None)
        if state is None:
            later, waiting = double(x[1:], None, last=last)
            x = joined([x[:1], later])
        else:
            x, waiting = double(x, waiting, last=last)
        y, of_conv = self.conv(x, of_conv, last=last)
        return y, None if of_conv is None else (waiting, of_conv)


def _nearest(x: Tensor, waiting: None, *, last: bool) -> tuple[Tensor, None]:
    doubled = new_clip(x, 2 * len(x), *x.shape[1:])
    doubled[0::2] = doubled[1::2] = x
    return doubled, None


def _linear(x: Tensor, waiting: Tensor | None, *, last: bool) -> tuple[Tensor, Tensor | None]:
    """Each two neighbours make two frames between them; the ends of the clip stand for themselves.

    ``waiting`` is the last frame of the piece before, whose later half has yet to be made.
    """
    if waiting is None and not len(x):
        return x, None
    first = x[:1] if waiting is None else x[:0]
    x = x if waiting is None else joined([waiting, x])
    earlier, later = x[:-1], x[1:]
    between = new_clip(x, 2 * len(earlier), *x.shape[1:])
    between[0::2] = torch.lerp(earlier, later, 0.25)
    between[1::2] = torch.lerp(earlier, later, 0.75)
    end = x[-1:]
    return joined([first, between, end if last else end[:0]]), end.clone()


def _channels_last(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)
