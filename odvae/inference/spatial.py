"""Spatial tiling with linear blending, as released with the paper. Tensors are (B, C, T, H, W)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.inference.seams import Seams

_ROWS, _COLUMNS = -2, -1


@dataclass(frozen=True, kw_only=True)
class TileSide:
    """Tiles along one side of the frames: positions of the input, and of the output."""

    tile: int  # of the input, in a tile; the last ones may be shorter
    stride: int  # of the input, from the start of a tile to that of the next one
    kept: int  # of the output, from a tile: the stride there
    blended: int  # of the output, over which a tile fades into the next one

    @classmethod
    def of_pixels(cls, tile_px: int, overlap_px: int, *, compression: int) -> "TileSide":
        """Pixels in, latents out. All numbers are multiples of the compression."""
        stride_px = tile_px - overlap_px
        return cls(
            tile=tile_px,
            stride=stride_px,
            kept=stride_px // compression,
            blended=overlap_px // compression,
        )

    @classmethod
    def of_latents(cls, tile_px: int, overlap_px: int, *, compression: int) -> "TileSide":
        """Latents in, pixels out. All numbers are multiples of the compression."""
        stride_px = tile_px - overlap_px
        return cls(
            tile=tile_px // compression,
            stride=stride_px // compression,
            kept=stride_px,
            blended=overlap_px,
        )

    def spans(self, size: int) -> list[slice]:
        """The tiles of a side of the input. The last one may lie wholly inside its neighbour."""
        return [slice(start, start + self.tile) for start in range(0, size, self.stride)]


def apply_in_tiles(
    fn: Callable[[Tensor], Tensor], x: Tensor, *, rows: TileSide, columns: TileSide
) -> Tensor:
    """Apply a function in tiles that fade into each other; frames that fit one tile are one.

    A tile is blended with the tile above, then with the tile on its left, each as it came out of
    its own blending, uncropped.

    Args:
        fn: maps (B, C, T, H, W) to (B, C', T', H', W'), with H' and W' in proportion to H and W.
        x: (B, C, T, H, W).
        rows: tiles along H.
        columns: tiles along W.

    Returns:
        (B, C', T', H', W') of the whole frames.
    """
    height, width = x.shape[_ROWS:]
    if _fit_one_tile(height, width, rows=rows, columns=columns):
        return fn(x)
    strips: list[Tensor] = []
    above: list[Tensor] = []
    for row in rows.spans(height):
        tiles: list[Tensor] = []
        for index, column in enumerate(columns.spans(width)):
            tile = fn(x[..., row, column])
            if above:
                tile = blend(above[index], tile, extent=rows.blended, dim=_ROWS)
            if tiles:
                tile = blend(tiles[-1], tile, extent=columns.blended, dim=_COLUMNS)
            tiles.append(tile)
        kept = [tile[..., : rows.kept, : columns.kept] for tile in tiles]
        strips.append(torch.cat(kept, dim=_COLUMNS))
        above = tiles
    return torch.cat(strips, dim=_ROWS)


def tile_seams(height: int, width: int, *, rows: TileSide, columns: TileSide) -> Seams:
    """Where tiles of pixels begin, and so the fading from the tile before."""
    if _fit_one_tile(height, width, rows=rows, columns=columns):
        return Seams()
    return Seams(
        rows_px=tuple(span.start for span in rows.spans(height)[1:]),
        columns_px=tuple(span.start for span in columns.spans(width)[1:]),
    )


def _fit_one_tile(height: int, width: int, *, rows: TileSide, columns: TileSide) -> bool:
    return height <= rows.tile and width <= columns.tile


def blend(before: Tensor, after: Tensor, *, extent: int, dim: int) -> Tensor:
    """``after``, into which the end of ``before`` fades: b[y] = a[y - n] (1 - y/n) + b[y] y/n.

    Args:
        before: (..., A, ...); its last ``extent`` positions show what the first of ``after`` show.
        after: (..., B, ...), equal in all other axes.
        extent: n; the extents of the two limit it.
        dim: the axis.

    Returns:
        As ``after``; the arguments are left as they are.
    """
    extent = min(extent, before.shape[dim], after.shape[dim])
    if extent == 0:
        return after
    share = torch.arange(extent, device=after.device, dtype=after.dtype) / extent
    share = share.view(-1, *(1,) * (-1 - dim))
    end = before.narrow(dim, before.shape[dim] - extent, extent)
    start = after.narrow(dim, 0, extent)
    rest = after.narrow(dim, extent, after.shape[dim] - extent)
    return torch.cat([end * (1 - share) + start * share, rest], dim=dim)
