"""The 2D operators that a tap in time can be. Frames are (N, C, H, W) with channels last.

Each is linear in its kernel, so kernels may be summed and transformed before they are prepared.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.acceleration.clip import Rows
from odvae.model.layers import MOST_ELEMENTS

_COLUMNS = 16  # interpolated at once: the matrix is banded, and a wide one is mostly zeros


class Kernel(NamedTuple):
    """A 3x3 convolution, on frames as they are or after doubling H and W."""

    prepare: Callable[[Tensor], Tensor]  # (C_out, C_in, 3, 3) to what ``apply`` wants
    # Of the rows.seen of frames, a prepared kernel, a bias or None, and rows: the output's rows.
    apply: Callable[[Tensor, Tensor, Tensor | None, Rows], Tensor]
    scale: int  # output pixels of an input pixel along H and along W
    maps: int  # numbers in the making of an output channel, at the worst moment, per input pixel
    call_elements: int  # the most numbers in the making at once, on frames one by one
    strip_elements: int  # likewise where many frames are in the making together


def _plain(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def _same_size(x: Tensor, kernel: Tensor, bias: Tensor | None, rows: Rows) -> Tensor:
    """The border's zeros are the convolution's; a strip inside needs none and has its halo."""
    pad = int(rows.at_border)
    y = F.conv2d(x, kernel, bias, padding=(pad, 1))
    above = rows.first - rows.seen.start - (1 - pad)
    return y[:, :, above : above + rows.last - rows.first]


def _summed(kernel: Tensor) -> Tensor:
    """Kernel 4 of a transposed convolution with stride 2.

    After nearest doubling, two of three taps along an axis see the same pixel and are summed:
    even outputs are w0 x[i-1] + (w1 + w2) x[i], odd ones (w0 + w1) x[i] + w2 x[i+1].
    """
    for axis in (2, 3):
        w0, w1, w2 = kernel.unbind(axis)
        kernel = torch.stack([w2, w1 + w2, w0 + w1, w0], dim=axis)
    return kernel.transpose(0, 1).contiguous(memory_format=torch.channels_last)


def _nearest_doubled(x: Tensor, kernel: Tensor, bias: Tensor | None, rows: Rows) -> Tensor:
    y = F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
    above = 2 * (rows.first - rows.seen.start)
    return y[:, :, above : above + 2 * (rows.last - rows.first)]


def _by_tap(kernel: Tensor) -> Tensor:
    """(3, C_in, 3 C_out): for each row of taps, a matrix that makes the products of its three."""
    return kernel.permute(2, 1, 3, 0).flatten(2).contiguous()


def _linear_doubled(x: Tensor, kernel: Tensor, bias: Tensor | None, rows: Rows) -> Tensor:
    """Convolution and interpolation exchanged: products on the small grid, then interpolated.

    Both are linear and act on different axes of the problem, so each of the nine taps can be
    multiplied before interpolation, at a quarter of the positions. What is left, interpolating,
    shifting by the tap and adding up, is a product with a banded matrix along W, then H.
    """
    count, _, height, width = x.shape
    channels = kernel.shape[2] // 3
    products = x.new_empty(3, count * height * width, 3 * channels)
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    for row_of_taps, product in zip(kernel, products, strict=True):
        torch.mm(pixels, row_of_taps, out=product)
    products = products.view(3 * count * height, 3 * width, channels)
    wide = x.new_empty(3 * count * height, 2 * width, channels)
    across = _doubling(width, x.dtype, x.device)  # (2 W, W, 3)
    for first in range(0, width, _COLUMNS):
        part = Rows(first, min(first + _COLUMNS, width), width)
        band = across[2 * part.first : 2 * part.last, part.seen].flatten(1)
        seen = products[:, 3 * part.seen.start : 3 * part.seen.stop]
        wide[:, 2 * part.first : 2 * part.last] = band @ seen
    down = _doubling(rows.height, x.dtype, x.device)[2 * rows.first : 2 * rows.last, rows.seen]
    wide = wide.view(3, count, height, -1).transpose(0, 1)  # (N, 3, h, 2 W C)
    band = down.transpose(1, 2).flatten(1)  # (2 R, 3 h)
    y = torch.stack([band @ frame.flatten(0, 1) for frame in wide])
    y = y.view(count, -1, 2 * width, channels)
    return (y if bias is None else y.add_(bias)).permute(0, 3, 1, 2)


@cache
def _doubling(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Linear interpolation to 2 n, then what each of three taps sees: (2 n, n, 3)."""
    impulses = torch.eye(size, dtype=torch.float64).unsqueeze(0)
    doubled = F.interpolate(impulses, scale_factor=2.0, mode="linear")[0]  # (n, 2 n)
    taps = F.pad(doubled, (1, 1)).unfold(1, 3, 1)  # (n, 2 n, 3), zeros beyond the border
    return taps.transpose(0, 1).to(device, dtype).contiguous()


_CACHED = 3 << 21  # about what a processor's cache holds
_FEW_HALOS = 1 << 24  # more, since the rows around a strip are multiplied again for each strip

SAME_SIZE = Kernel(_plain, _same_size, 1, 1, MOST_ELEMENTS, _CACHED)
NEAREST_DOUBLED = Kernel(_summed, _nearest_doubled, 2, 4, MOST_ELEMENTS, _FEW_HALOS)
LINEAR_DOUBLED = Kernel(_by_tap, _linear_doubled, 2, 15, _FEW_HALOS, _FEW_HALOS)
