"""Curve, limit and uncertainty of a Frechet distance, on Gaussians whose distance is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from odvae.metrics.frechet import frechet_distance_of
from odvae.metrics.frechet_subsets import FrechetSubsets
from odvae.metrics.frechet_trust import (
    CurvePoint,
    at_infinity,
    bootstrap_interval,
    frechet_curve,
    frechet_trust,
    standard_error,
)


@dataclass(frozen=True)
class Population:
    """Originals a with independent features of std ``spread``; reconstructions k a + noise + m."""

    spread: Tensor
    kept: float  # k
    noise: float  # std
    shift: float  # m

    @property
    def distance(self) -> float:
        std = ((self.kept * self.spread).square() + self.noise**2).sqrt()
        return float(len(std) * self.shift**2 + (self.spread - std).square().sum())

    def draw(self, clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        shape = (clips, len(self.spread))
        a = self.spread * torch.randn(shape, generator=generator, dtype=torch.float64)
        noise = self.noise * torch.randn(shape, generator=generator, dtype=torch.float64)
        return a, self.kept * a + noise + self.shift


def population(dimensions: int, *, kept: float, noise: float, shift: float) -> Population:
    return Population(torch.linspace(1, 0.3, dimensions).double(), kept, noise, shift)


def blurred(dimensions: int) -> Population:
    """Reconstructions as they are: alike, a little dull, a little noisy."""
    return population(dimensions, kept=0.7, noise=0.2, shift=0.1)


def close(dimensions: int) -> Population:
    """Reconstructions that are nearly exact: the bias is most of their distance."""
    return population(dimensions, kept=0.95, noise=0.05, shift=0.02)


def generated(dimensions: int) -> Population:
    """Clips that have nothing to do with each other."""
    return population(dimensions, kept=0.0, noise=0.9, shift=0.3)


@pytest.mark.parametrize("dimensions", [60, 4])  # more and fewer than the 24 clips
def test_subsets_have_the_distance_of_their_rows(dimensions: int) -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = blurred(dimensions).draw(24, generator)
    a, b = a + 100, b + 100
    chosen = torch.randint(24, (5, 11), generator=generator)  # some clips twice
    expected = [frechet_distance_of(a[rows], b[rows]) for rows in chosen]
    torch.testing.assert_close(
        FrechetSubsets(a, b).distances(chosen),
        torch.tensor(expected, dtype=torch.float64),
        rtol=1e-10,
        atol=0,
    )


def test_the_curve_ends_in_the_distance_and_follows_its_seed() -> None:
    a, b = blurred(6).draw(40, torch.Generator().manual_seed(2))
    trust = frechet_trust(a, b, seed=4)
    assert [point.clips for point in trust.curve] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert trust.curve[-1].mean == pytest.approx(frechet_distance_of(a, b))
    assert trust.curve[-1].std == 0 < trust.curve[0].std
    assert trust == frechet_trust(a, b, seed=4) != frechet_trust(a, b, seed=5)


def test_few_clips_have_a_short_curve() -> None:
    a, b = blurred(6).draw(3, torch.Generator().manual_seed(3))
    assert [point.clips for point in frechet_trust(a, b).curve] == [2, 3]
    assert [point.clips for point in frechet_trust(a[:2], b[:2]).curve] == [2]
    assert math.isnan(frechet_trust(a[:2], b[:2]).standard_error)


def test_a_line_over_one_over_n_is_found_exactly() -> None:
    curve = [CurvePoint(clips, 2.5 + 30 / clips, 0.0) for clips in (3, 20, 40, 60, 80)]
    assert at_infinity(curve, 10) == pytest.approx(2.5)
    bent = [CurvePoint(3, 99.0, 0.0), *curve[1:]]  # fewer clips than dimensions do not count
    assert at_infinity(bent, 10) == pytest.approx(2.5)
    assert math.isnan(at_infinity(curve, 25))


@pytest.mark.parametrize("make", [blurred, generated])
def test_extrapolation_removes_most_of_the_bias(make: Callable[[int], Population]) -> None:
    """Mean over draws, in units of the error of that mean."""
    truth, generator = make(8), torch.Generator().manual_seed(5)
    whole, limits = [], []
    for _ in range(60):
        subsets = FrechetSubsets(*truth.draw(80, generator))
        curve = frechet_curve(subsets, generator)
        whole.append(curve[-1].mean)
        limits.append(at_infinity(curve, 8))
    found = torch.tensor(limits)
    bias = sum(whole) / len(whole) - truth.distance
    assert bias > 0
    assert abs(found.mean() - truth.distance) < 0.3 * bias + 3 * found.std() / math.sqrt(60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "dimensions", "clips"), [(blurred, 4, 60), (generated, 4, 60), (close, 8, 24)]
)
def test_intervals_cover_the_true_distance_at_their_rate(
    make: Callable[[int], Population], dimensions: int, clips: int
) -> None:
    truth, generator = make(dimensions), torch.Generator().manual_seed(6)
    covered = 0
    for _ in range(150):
        subsets = FrechetSubsets(*truth.draw(clips, generator))
        limit = at_infinity(frechet_curve(subsets, generator), dimensions)
        low, high = bootstrap_interval(subsets, limit, generator)
        covered += low <= truth.distance <= high
    assert 0.91 <= covered / 150 <= 0.99  # 95 % in theory; 150 draws scatter by 1.8 %


@pytest.mark.slow
@pytest.mark.parametrize(("make", "clips"), [(close, 96), (close, 256), (generated, 128)])
def test_intervals_cover_the_true_distance_in_more_dimensions(
    make: Callable[[int], Population], clips: int
) -> None:
    truth, generator = make(32), torch.Generator().manual_seed(7)
    covered = 0
    for _ in range(100):
        subsets = FrechetSubsets(*truth.draw(clips, generator))
        limit = at_infinity(frechet_curve(subsets, generator), 32)
        low, high = bootstrap_interval(subsets, limit, generator)
        covered += low <= truth.distance <= high
    assert covered / 100 >= 0.89


def test_the_standard_error_is_the_spread_over_draws_for_few_clips_too() -> None:
    truth, generator = blurred(100), torch.Generator().manual_seed(7)
    sets = [FrechetSubsets(*truth.draw(16, generator)) for _ in range(100)]
    everything = torch.arange(16).unsqueeze(0)
    spread = torch.cat([subsets.distances(everything) for subsets in sets]).std().item()
    errors = [standard_error(subsets, generator) for subsets in sets]
    assert math.sqrt(sum(error**2 for error in errors) / 100) == pytest.approx(spread, rel=0.3)


def test_too_few_clips_have_no_interval_and_no_limit() -> None:
    """There the distance of nearly exact reconstructions is their mean squared difference."""
    truth = population(200, kept=1.0, noise=0.1, shift=0.0)
    a, b = truth.draw(24, torch.Generator().manual_seed(8))
    trust = frechet_trust(a, b)
    assert trust.rank_deficient
    assert math.isnan(trust.low) and math.isnan(trust.high) and math.isnan(trust.at_infinity)
    assert trust.curve[-1].mean == pytest.approx((a - b).square().sum(dim=1).mean().item(), rel=0.1)
    assert trust.curve[-1].mean > 10 * truth.distance
    assert not frechet_trust(a[:, :10], b[:, :10]).rank_deficient


def test_broken_features_have_nothing() -> None:
    a, b = blurred(4).draw(20, torch.Generator().manual_seed(9))
    b[3, 1] = torch.nan
    trust = frechet_trust(a, b)
    assert trust.curve == () and math.isnan(trust.standard_error) and math.isnan(trust.high)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 clips, got 1"):
        frechet_trust(torch.zeros(1, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"got \(5, 4\) and \(6, 4\)"):
        frechet_trust(torch.zeros(5, 4), torch.zeros(6, 4))
