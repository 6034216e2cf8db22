"""The interval holds the true mean as often as it says, whatever the spread comes from."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t

from odvae.comparison.bootstrap import LEAST_TO_RESAMPLE, interval

Values = NDArray[np.float64]
TRUTH = 0.3
SIMULATIONS = 600
# 95 %, with room for chance, whose standard deviation is 0.9 %.
NOMINAL = (0.925, 0.975)


def _simulated(
    rng: np.random.Generator, *, clips: int, seeds: int, spread: tuple[float, float, float]
) -> Values:
    """Paired differences (clips, seeds) about TRUTH; spread over clips, over seeds, and noise."""
    of_clips, of_seeds, noise = spread
    values: Values = (
        TRUTH
        + of_clips * rng.standard_normal((clips, 1))
        + of_seeds * rng.standard_normal((1, seeds))
        + noise * rng.standard_normal((clips, seeds))
    )
    return values


def _coverage(clips: int, seeds: int, spread: tuple[float, float, float]) -> float:
    rng = np.random.default_rng(0)
    held = 0
    for number in range(SIMULATIONS):
        values = _simulated(rng, clips=clips, seeds=seeds, spread=spread)
        found = interval(values.mean(axis=1), [values], seed=number, resamples=1000)
        held += found.low <= TRUTH <= found.high
    return held / SIMULATIONS


@pytest.mark.parametrize(
    ("clips", "seeds", "spread"),
    [
        (20, 1, (1.0, 0.0, 0.0)),  # one training each: over clips only
        (8, 1, (1.0, 0.0, 0.0)),  # the fewest that are resampled
        (4, 1, (1.0, 0.0, 0.0)),
        (20, 3, (1.0, 0.0, 0.0)),  # seeds change nothing
        (20, 3, (0.0, 1.0, 0.2)),  # seeds are nearly all of it
        (24, 3, (1.0, 0.3, 0.5)),
        (12, 5, (0.5, 0.5, 1.0)),
        (20, 10, (0.5, 1.0, 0.5)),  # so many seeds are resampled as well
    ],
)
def test_coverage_is_nominal(clips: int, seeds: int, spread: tuple[float, float, float]) -> None:
    least, most = NOMINAL
    assert least <= _coverage(clips, seeds, spread) <= most


def test_coverage_where_seeds_are_hard_to_tell_from_noise() -> None:
    """The worst mixture: what seeds do is often taken for noise."""
    assert 0.91 <= _coverage(20, 3, (0.0, 0.2, 1.0)) <= 0.975


def test_coverage_where_a_few_clips_gain_most() -> None:
    rng, held = np.random.default_rng(7), 0
    for number in range(SIMULATIONS):
        gains = TRUTH * rng.exponential(size=24)
        found = interval(gains, [], seed=number, resamples=1000)
        held += found.low <= TRUTH <= found.high
    assert 0.92 <= held / SIMULATIONS <= 0.975


def test_resampling_seeds_as_they_are_would_not_cover() -> None:
    """Why the seeds are not simply resampled: three of them fall far short."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(SIMULATIONS):
        values = _simulated(rng, clips=20, seeds=3, spread=(0.0, 1.0, 0.2))
        clip, seed = rng.integers(20, size=(1000, 20)), rng.integers(3, size=(1000, 3))
        means = values[clip[:, :, None], seed[:, None, :]].mean(axis=(1, 2))
        low, high = np.quantile(means, [0.025, 0.975])
        held += low <= TRUTH <= high
    assert held / SIMULATIONS < 0.8


def test_coverage_of_seeds_that_are_not_shared() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for number in range(SIMULATIONS):
        ours = _simulated(rng, clips=20, seeds=3, spread=(0.5, 0.5, 0.2))
        theirs = _simulated(rng, clips=20, seeds=4, spread=(0.5, 0.5, 0.2)) - TRUTH
        means = ours.mean(axis=1) - theirs.mean(axis=1)
        found = interval(means, [ours, -theirs], seed=number, resamples=1000)
        held += found.low <= TRUTH <= found.high
    assert 0.925 <= held / SIMULATIONS <= 0.99


def test_few_clips_give_students_interval() -> None:
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.3])
    assert len(values) < LEAST_TO_RESAMPLE
    found = interval(values, [], resamples=400_000)
    scale = values.std(ddof=1) / math.sqrt(5)
    expected = t.interval(0.95, df=4, loc=values.mean(), scale=scale)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.01)


def test_many_clips_give_the_normal_interval() -> None:
    values = np.random.default_rng(3).standard_normal(2000)
    found = interval(values, [], resamples=4000)
    half = 1.96 / math.sqrt(2000)
    expected = (values.mean() - half, values.mean() + half)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.006)


def test_resampling_keeps_the_shape() -> None:
    values = np.random.default_rng(4).exponential(size=40)
    found = interval(values, [], resamples=20_000)
    assert found.high - values.mean() > 1.1 * (values.mean() - found.low)


def test_seeds_widen_the_interval_from_three_on() -> None:
    rng = np.random.default_rng(5)
    values = _simulated(rng, clips=20, seeds=3, spread=(0.1, 1.0, 0.1))
    widths = []
    for seeds in (1, 2, 3):
        found = interval(values.mean(axis=1), [values[:, :seeds]])
        widths.append(found.high - found.low)
    assert widths[0] == widths[1]
    assert widths[2] > 5 * widths[0]


def test_no_spread_no_width() -> None:
    found = interval(np.full(12, 0.5), [np.full((12, 3), 0.5)])
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    assert found.leaves_out_zero


def test_one_clip_that_differs_leaves_a_finite_interval() -> None:
    """A third of all resamples then hold twelve equal values."""
    found = interval(np.array([1.0, *[0.0] * 11]), [])
    assert math.isfinite(found.low) and math.isfinite(found.high)
    assert not found.leaves_out_zero


def test_a_single_clip_says_nothing() -> None:
    found = interval(np.array([0.5]), [])
    assert math.isnan(found.low) and math.isnan(found.high)
    assert not found.leaves_out_zero


def test_equal_seeds_give_equal_intervals() -> None:
    values = np.random.default_rng(6).standard_normal((24, 3))
    first, again, other = (interval(values.mean(1), [values], seed=seed) for seed in (1, 1, 2))
    assert first == again != other
