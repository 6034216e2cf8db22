"""Accumulated differences are those computed directly, and fall where the seams are."""

import math

import pytest
import torch
from torch.testing import assert_close

from odvae.metrics import Equivalence
from odvae.metrics.equivalence import seam_distances


@pytest.mark.parametrize(
    ("size", "seams", "distances"),
    [
        (9, [5], [4, 3, 2, 1, 0, 0, 1, 2, 3]),
        (13, [5, 9], [4, 3, 2, 1, 0, 0, 1, 1, 0, 0, 1, 2, 3]),
        (6, [3, 4], [2, 1, 0, 0, 0, 1]),
        (3, [1, 2], [0, 0, 0]),
        (2, [], [math.inf, math.inf]),
    ],
)
def test_distances_count_from_both_sides_of_a_seam(
    size: int, seams: list[int], distances: list[float]
) -> None:
    assert seam_distances(size, seams).tolist() == distances


def test_batches_add_up_to_the_whole_set() -> None:
    generator = torch.Generator().manual_seed(0)
    whole = 2 * torch.rand(5, 3, 9, 16, 24, generator=generator) - 1
    tiled = whole + 0.1 * torch.randn(whole.shape, generator=generator)
    equivalence = Equivalence(frames=[5], rows_px=[8], columns_px=[12])
    for batch in (slice(0, 2), slice(2, 4), slice(4, 5)):
        equivalence.add(whole[batch], tiled[batch])
    result = equivalence.result()

    error = (whole - tiled).abs().double()
    assert_close(result.max_abs_diff, error.max().item())
    square = ((whole.clamp(-1, 1) - tiled.clamp(-1, 1)).double() / 2).square().mean().item()
    assert_close(result.psnr_db, -10 * math.log10(square), atol=1e-4, rtol=0)
    assert list(result.error_by_frames) == [0, 1, 2, 3, 4]
    assert_close(result.error_by_frames[0], error[:, :, 4:6].mean().item())
    assert_close(result.error_by_frames[3], error[:, :, [1, 8]].mean().item())
    assert_close(result.error_by_frames[4], error[:, :, 0].mean().item())
    by_pixel = error.mean(dim=(0, 1, 2))
    assert max(result.error_by_px) == 7  # the corners: 7 rows from row 7, 11 columns from column 11
    cross = torch.zeros(16, 24, dtype=torch.bool)
    cross[7:9], cross[:, 11:13] = True, True
    assert_close(result.error_by_px[0], by_pixel[cross].mean().item())


def test_an_error_at_a_seam_is_found_there() -> None:
    whole = torch.zeros(1, 3, 9, 16, 16)
    tiled = whole.clone()
    tiled[:, :, 5] = 0.5  # the first frame that the second group makes
    equivalence = Equivalence(frames=[5], rows_px=[8])
    equivalence.add(whole, tiled)
    result = equivalence.result()
    assert result.max_abs_diff == 0.5
    assert result.error_by_frames == {0: 0.25, 1: 0, 2: 0, 3: 0, 4: 0}
    assert_close(result.error_by_px, dict.fromkeys(range(8), 0.5 / 9))
    assert_close(result.psnr_db, -10 * math.log10(0.25**2 / 9))


def test_the_same_reconstruction_is_exact() -> None:
    clips = torch.rand(2, 3, 5, 16, 16)
    equivalence = Equivalence(frames=[3])
    equivalence.add(clips, clips)
    result = equivalence.result()
    assert (result.max_abs_diff, result.psnr_db) == (0, 100)
    assert result.error_by_frames == {0: 0, 1: 0, 2: 0}
    assert result.error_by_px == {}  # frames are whole


def test_what_is_not_finite_shows() -> None:
    clips = torch.zeros(1, 3, 5, 16, 16)
    broken = clips.clone()
    broken[0, 0, 3, 0, 0] = torch.nan
    equivalence = Equivalence(frames=[3])
    equivalence.add(clips, broken)
    equivalence.add(clips, clips)
    result = equivalence.result()
    assert math.isnan(result.max_abs_diff)
    assert math.isnan(result.psnr_db)
    assert math.isnan(result.error_by_frames[0])
    assert result.error_by_frames[1] == 0


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        Equivalence().result()
    with pytest.raises(ValueError, match="of one shape"):
        Equivalence().add(torch.zeros(1, 3, 5, 16, 16), torch.zeros(1, 3, 4, 16, 16))
