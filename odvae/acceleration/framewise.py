"""2D convolutions of each frame by itself. Clips are (T, C, H, W), channels last."""

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.acceleration.clip import (
    Rows,
    Stage,
    as_pixels,
    frames_at_once,
    new_clip,
    of_pixels,
    strips,
)
from odvae.acceleration.kernels import Kernel
from odvae.model.streaming import State

_PADDED = 1 << 20  # numbers that are copied to be padded, at once


def apply_framewise(kernel: Kernel, x: Tensor, prepared: Tensor, bias: Tensor) -> Tensor:
    """A kernel on every frame: (T, C_in, H, W) to (T, C_out, sH, sW), all at once if that fits."""
    frames, c_in, height, width = x.shape
    c_out, scale = len(bias), kernel.scale
    row = width * max(c_in, kernel.maps * c_out)
    if 0 < frames * height * row <= kernel.call_elements:
        return kernel.apply(x, prepared, bias, Rows(0, height, height))
    y = new_clip(x, frames, c_out, scale * height, scale * width)
    for frame in range(frames):
        for rows in strips(height, kernel.call_elements // row):
            seen = x[frame : frame + 1, :, rows.seen]
            made = y[frame : frame + 1, :, scale * rows.first : scale * rows.last]
            made.copy_(kernel.apply(seen, prepared, bias, rows))
    return y


class FrameConv(Stage):
    """A 3x3 convolution of each frame, after doubling its size if the kernel says so."""

    framewise = True
    prepared: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.register_buffer("prepared", kernel.prepare(weight))
        self.register_buffer("bias", bias)

    def forward(
        self, x: Tensor, state: State, *, last: bool, onto: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """As a stage; ``onto`` is a clip that the result is added to in place."""
        y = apply_framewise(self.kernel, x, self.prepared, self.bias)
        return (y if onto is None else onto.add_(y)), None


class SpatialDown(Stage):
    """Zero-pad right and bottom by one pixel, then a 3x3 convolution with stride 2."""

    framewise = True
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        return halved(x, self.weight, self.bias), None


def halved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(T, C, H, W) to (T, C', H / 2, W / 2): padded right and bottom, then with stride 2."""
    frames, _, height, width = x.shape
    y = new_clip(x, frames, weight.shape[0], height // 2, width // 2)
    at_once = frames_at_once(x, _PADDED)
    for some, made in zip(x.split(at_once), y.split(at_once), strict=True):
        made.copy_(F.conv2d(F.pad(some, (0, 1, 0, 1)), weight, bias, stride=2))
    return y


class Pointwise(Stage):
    """A 1x1 convolution: a matrix on the channels of each pixel."""

    framewise = True
    matrix: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", weight.flatten(1))
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        return of_pixels(F.linear(as_pixels(x), self.matrix, self.bias), x), None
