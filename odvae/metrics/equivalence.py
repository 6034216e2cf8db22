"""How far one reconstruction is from another of the same clips, and where: tiled against whole.

Clips are (B, C, T, H, W) in [-1, 1]. Differences are in these units, in which black and white are
2 apart, and are taken before clamping.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.metrics.pixels import check_pair, unit_range
from odvae.metrics.psnr import IDENTICAL_DB


@dataclass(frozen=True, kw_only=True)
class EquivalenceResult:
    """Differences over all clips; NaN where a reconstruction is not finite."""

    max_abs_diff: float  # in units of [-1, 1]
    psnr_db: float  # of the mean squared error of all pixels, at most 100
    error_by_frames: dict[int, float]  # mean |difference| by distance from the nearest seam
    error_by_px: dict[int, float]  # likewise, within frames


class Equivalence:
    """Accumulates the differences of two reconstructions, batch by batch.

    Args:
        frames: positions along T at which another part of the second reconstruction begins.
        rows_px: likewise along H.
        columns_px: likewise along W.
    """

    def __init__(
        self,
        *,
        frames: Sequence[int] = (),
        rows_px: Sequence[int] = (),
        columns_px: Sequence[int] = (),
    ) -> None:
        self._seams = (frames, rows_px, columns_px)
        self._max = torch.tensor(0.0, dtype=torch.float64)
        self._squares: list[Tensor] = []  # () each: mean over a batch
        self._by_frame: list[Tensor] = []  # (T,) each
        self._by_pixel: list[Tensor] = []  # (H, W) each
        self._weights: list[int] = []  # clips of each batch

    def add(self, whole: Tensor, tiled: Tensor) -> None:
        """Compare two reconstructions of the same clips.

        Args:
            whole: (B, C, T, H, W), unclamped, of one (C, T, H, W) in all batches.
            tiled: the same shape.

        Raises:
            ValueError: shapes differ, or pixels are no floats.
        """
        check_pair(whole, tiled)
        difference = (whole - tiled).abs()
        self._max = torch.maximum(self._max, difference.max().double())
        self._squares.append((unit_range(whole) - unit_range(tiled)).square().mean())
        self._by_frame.append(difference.mean(dim=(0, 1, 3, 4), dtype=torch.float64))
        self._by_pixel.append(difference.mean(dim=(0, 1, 2), dtype=torch.float64))
        self._weights.append(len(whole))

    def result(self) -> EquivalenceResult:
        """The differences of all clips added so far.

        Raises:
            ValueError: no clip was added.
        """
        if not self._weights:
            raise ValueError("an equivalence needs at least one clip, got none")
        by_frame = self._mean(self._by_frame)
        by_pixel = self._mean(self._by_pixel)
        frames, rows_px, columns_px = self._seams
        height, width = by_pixel.shape
        within_frames = torch.minimum(
            seam_distances(height, rows_px)[:, None], seam_distances(width, columns_px)
        )  # (H, W)
        square = self._mean(self._squares).clamp(min=10 ** (-IDENTICAL_DB / 10)).item()
        return EquivalenceResult(
            max_abs_diff=self._max.item(),
            psnr_db=-10 * math.log10(square),
            error_by_frames=_by_distance(by_frame, seam_distances(len(by_frame), frames)),
            error_by_px=_by_distance(by_pixel, within_frames),
        )

    def _mean(self, batches: list[Tensor]) -> Tensor:
        """Mean over clips of means over batches."""
        weights = torch.tensor(self._weights, dtype=torch.float64)
        mean: Tensor = torch.tensordot(weights / weights.sum(), torch.stack(batches), dims=1)
        return mean


def seam_distances(size: int, seams: Sequence[int]) -> Tensor:
    """How far each position is from the nearest seam: 0 on either side of one, then 1, 2, ...

    Args:
        size: number of positions.
        seams: those at which another part begins; a seam lies before each.

    Returns:
        (size,) in float64, infinite everywhere if there is no seam.
    """
    positions = torch.arange(size, dtype=torch.float64)
    nearest = torch.full((size,), torch.inf, dtype=torch.float64)
    for seam in seams:
        nearest = torch.minimum(nearest, (positions - (seam - 0.5)).abs() - 0.5)
    return nearest


def _by_distance(errors: Tensor, distances: Tensor) -> dict[int, float]:
    """Mean of the errors at each distance; the two have one shape. Empty without a seam."""
    found = distances[distances.isfinite()].unique().tolist()
    return {int(distance): errors[distances == distance].mean().item() for distance in found}
