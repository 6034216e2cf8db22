"""The rate at which a machine can convolve at best: what the speed of a model is held against."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.experiment.timing import seconds_of
from odvae.training.precision import Arithmetic, Precision

CHANNELS = 128
_BUDGET_S = 1.0  # of all shapes together
# (frames, side in px) of one clip: milliseconds on either device.
_SIZES = {"cpu": ((2, 32), (4, 32)), "cuda": ((16, 64), (16, 128))}


@torch.inference_mode()
def best_convolution_gflops(arithmetic: Arithmetic, *, budget_s: float = _BUDGET_S) -> float:
    """The best rate of a convolution in this process: its device, precision and threads.

    Measured are convolutions 3x3 and 3x3x3 from 128 to 128 channels at two sizes, with channels
    first and last in memory: the fastest call of each, the best of all. Two operations count for
    each multiply-add. It takes about a second.
    """
    dtype = torch.bfloat16 if arithmetic.precision is Precision.bf16 else torch.float32
    shapes = list(_convolutions(arithmetic.device, dtype))
    return max(
        flops / _fastest_s(call, arithmetic.device, budget_s=budget_s / len(shapes)) / 1e9
        for flops, call in shapes
    )


def _convolutions(
    device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[int, Callable[[], Tensor]]]:
    """Operations of a call, and the call."""
    for frames, side in _SIZES[device.type]:
        for last in (False, True):
            clip = torch.randn(1, CHANNELS, frames, side, side, device=device, dtype=dtype)
            kernel = torch.randn(CHANNELS, CHANNELS, 3, 3, 3, device=device, dtype=dtype)
            images, plane = clip[0].transpose(0, 1).contiguous(), kernel[:, :, 0].contiguous()
            if last:
                clip = clip.contiguous(memory_format=torch.channels_last_3d)
                kernel = kernel.contiguous(memory_format=torch.channels_last_3d)
                images = images.contiguous(memory_format=torch.channels_last)
                plane = plane.contiguous(memory_format=torch.channels_last)
            taps = 2 * CHANNELS * CHANNELS * frames * side * side
            yield 27 * taps, partial(F.conv3d, clip, kernel, padding=1)
            yield 9 * taps, partial(F.conv2d, images, plane, padding=1)


def _fastest_s(function: Callable[[], object], device: torch.device, *, budget_s: float) -> float:
    """Of as many calls as the budget allows, at least one; the fastest is no first one."""
    fastest_s, began_s = float("inf"), time.perf_counter()
    while fastest_s == float("inf") or time.perf_counter() - began_s < budget_s:
        fastest_s = min(fastest_s, seconds_of(function, device))
    return fastest_s
