"""Sets of features: what comes out is what the parts say, in constant memory."""

import math
import time

import pytest
import torch
from torch import Tensor

from odvae.metrics import feature_sets
from odvae.metrics.feature_sets import FeatureSets
from odvae.metrics.frechet import frechet_distance_of
from odvae.metrics.frechet_trust import frechet_trust
from odvae.metrics.kernel_distance import block_estimate, kernel_distance


def pairs(clips: int, dimensions: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Features as networks give them: float64 that hold float32 numbers."""
    generator = torch.Generator().manual_seed(seed)
    originals = torch.randn(clips, dimensions, generator=generator)
    noise = torch.randn(clips, dimensions, generator=generator)
    return originals.double(), (0.8 * originals + 0.3 * noise).double()


def filled(originals: Tensor, reconstructions: Tensor, *, batch: int) -> FeatureSets:
    sets = FeatureSets("fvd_toy", originals.shape[1])
    for a, b in zip(originals.split(batch), reconstructions.split(batch), strict=True):
        sets.add(a, b)
    return sets


def test_a_result_is_that_of_all_rows() -> None:
    originals, reconstructions = pairs(24, 64, seed=1)
    sets = filled(originals, reconstructions, batch=5)
    result = sets.result(seed=3)
    assert result.distance == pytest.approx(frechet_distance_of(originals, reconstructions))
    assert result.kernel_distance == pytest.approx(kernel_distance(originals, reconstructions))
    assert result.kernel_blocks == block_estimate(
        originals, reconstructions, blocks=feature_sets.BLOCKS, block_size=12, seed=3
    )
    assert result.trust.curve == frechet_trust(originals, reconstructions, seed=3).curve
    assert (result.clips, result.dimensions, sets.clips) == (24, 64, 24)
    assert result.values() == {"fvd_toy": result.distance, "kvd_toy": result.kernel_distance}
    assert sets.values() == result.values()


def test_fewer_clips_than_dimensions_is_said() -> None:
    assert filled(*pairs(8, 8, seed=2), batch=8).result().rank_deficient
    assert not filled(*pairs(9, 8, seed=2), batch=8).result().rank_deficient


def test_more_clips_change_a_result_that_was_taken_before() -> None:
    originals, reconstructions = pairs(20, 6, seed=4)
    sets = filled(originals[:10], reconstructions[:10], batch=3)
    first = sets.result()
    sets.add(originals[10:], reconstructions[10:])
    second = sets.result()
    assert first.distance == pytest.approx(
        frechet_distance_of(originals[:10], reconstructions[:10])
    )
    assert second.distance == pytest.approx(frechet_distance_of(originals, reconstructions))
    assert second.kernel_distance == pytest.approx(kernel_distance(originals, reconstructions))


@pytest.mark.parametrize("clips", [2, 3])
def test_very_few_clips_have_distances_and_little_else(clips: int) -> None:
    result = filled(*pairs(clips, 6, seed=5), batch=1).result()
    assert result.distance > 0 and math.isfinite(result.kernel_distance)
    assert result.kernel_blocks is None


def test_a_broken_reconstruction_is_no_number_anywhere() -> None:
    originals, reconstructions = pairs(6, 4, seed=6)
    reconstructions[2] = torch.nan
    result = filled(originals, reconstructions, batch=2).result()
    assert math.isnan(result.distance) and math.isnan(result.kernel_distance)
    assert result.trust.curve == () and math.isnan(result.trust.low)


def test_one_clip_has_no_result() -> None:
    with pytest.raises(ValueError, match="at least 2 clips a side, got 1 and 1"):
        filled(*pairs(1, 4, seed=7), batch=1).result()


def test_sets_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 4\) and \(3, 4\)"):
        FeatureSets("fvd", 4).add(torch.zeros(2, 4), torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"must be \(M, 4\), got \(2, 5\)"):
        FeatureSets("fvd", 4).add(torch.zeros(2, 5), torch.zeros(2, 5))


def test_a_laptops_set_takes_no_time() -> None:
    sets = filled(*pairs(24, 512, seed=8), batch=6)
    sets.result()
    start = time.perf_counter()
    sets.result()
    assert time.perf_counter() - start < 2  # 0.2 s where nothing else runs
