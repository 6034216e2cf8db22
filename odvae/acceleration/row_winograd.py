"""A 3x3 convolution with half the multiplications. Frames are (N, C, H, W) with channels last.

The rows of taps are filtered along H by Winograd's F(4, 3), where a product is a 1x3 convolution of
a row of pixels. Rows of a frame are blocks of memory, so the transforms are products with small
matrices, made where the rows lie.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.acceleration.clip import Rows, new_clip
from odvae.acceleration.kernels import Kernel
from odvae.acceleration.winograd import filtering

_FILTERING = filtering(4)
_TILE = _FILTERING.tile
_POINTS = _TILE + 2


def _at_points(kernel: Tensor) -> Tensor:
    """(C_out, C_in, 3, 3) to a 1x3 kernel for each point: (6, C_out, C_in, 1, 3)."""
    taps = torch.einsum("pr,oirc->poic", _FILTERING.taps, kernel.double()).to(kernel.dtype)
    return torch.stack([_channels_last(at_point.unsqueeze(2)) for at_point in taps])


def _channels_last(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def _filtered(x: Tensor, kernel: Tensor, bias: Tensor | None, rows: Rows) -> Tensor:
    made = rows.last - rows.first
    tiles = -(-made // _TILE)
    values = _values(x, tiles, above=rows.first - rows.seen.start)
    products = values.flatten(0, 1)  # in their place, where they are as many
    if kernel.shape[1] != x.shape[1]:
        products = new_clip(x, _POINTS * len(x), kernel.shape[1], tiles, x.shape[3])
    for point, product in enumerate(products.split(len(x))):
        constant = bias if point == _FILTERING.constant_point else None
        product.copy_(F.conv2d(values[point], kernel[point], constant, padding=(0, 1)))
    return _combined(products, len(x), made)


def _values(x: Tensor, tiles: int, *, above: int) -> Tensor:
    """Each tile's rows transformed: (6, N, C, tiles, W). Rows beyond the frame count as zeros.

    ``above`` is 1 where x begins a row above the strip, 0 at the upper border.
    """
    count, channels, seen, width = x.shape
    values = x.new_empty(_POINTS, count, tiles, width * channels)
    data_to_points = _FILTERING.inputs.to(x)
    lines = x.permute(0, 2, 3, 1).reshape(count, seen, width * channels)
    for tile in range(tiles):
        top = tile * _TILE + above - 1
        first, last = max(top, 0), min(top + _POINTS, seen)
        columns = data_to_points[:, first - top : last - top]
        for n in range(count):
            torch.mm(columns, lines[n, first:last], out=values[:, n, tile])
    return values.view(_POINTS, count, tiles, width, channels).permute(0, 1, 4, 2, 3)


def _combined(products: Tensor, count: int, made: int) -> Tensor:
    """(6 N, C_out, tiles, W) to the rows that were asked for: (N, C_out, rows, W)."""
    _, channels, tiles, width = products.shape
    lines = products.permute(0, 2, 3, 1).view(_POINTS, count, tiles, width * channels)
    points_to_outputs = _FILTERING.outputs.to(products)
    y = new_clip(products, count, channels, made, width)
    outputs = y.permute(0, 2, 3, 1).view(count, made, width * channels)
    for n in range(count):
        for tile, out in enumerate(outputs[n].split(_TILE)):
            torch.mm(points_to_outputs[: len(out)], lines[:, n, tile], out=out)
    return y


_IN_THE_MAKING = 1 << 23  # numbers at once: large tiles of rows are worth more than a small cache

ROW_FILTERED = Kernel(_at_points, _filtered, 1, 3, _IN_THE_MAKING, _IN_THE_MAKING)
