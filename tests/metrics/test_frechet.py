"""The Frechet distance against closed forms and scipy's matrix square root."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm  # type: ignore[import-untyped, unused-ignore]
from torch import Tensor

from odvae.metrics.frechet import frechet_distance, frechet_distance_of
from odvae.metrics.moments import Moments


def random(rows: int, columns: int, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def with_moments(mean: Tensor, covariance_root: Tensor, *, rows: int, seed: int) -> Tensor:
    """Rows whose sample mean and unbiased covariance (root^T root) are exact, not estimates."""
    sample = random(rows, len(covariance_root), seed=seed)
    sample = torch.linalg.qr(sample - sample.mean(dim=0)).Q * math.sqrt(rows - 1)
    rows_of_set: Tensor = mean + sample @ covariance_root
    return rows_of_set


def by_rows(a: Tensor, b: Tensor) -> float:
    """The distance from the rows themselves, without any covariance: exact whatever the rank."""
    off_a, off_b = (x - x.mean(dim=0) for x in (a, b))
    cross = torch.linalg.svdvals(off_a @ off_b.T).sum() / math.sqrt((len(a) - 1) * (len(b) - 1))
    spread = off_a.square().sum() / (len(a) - 1) + off_b.square().sum() / (len(b) - 1) - 2 * cross
    return float((a.mean(dim=0) - b.mean(dim=0)).square().sum() + spread)


def by_rows_of_many(a: Tensor, b: Tensor) -> float:
    """The same where a product of all rows would be large: of triangular factors instead."""
    roots = [torch.linalg.qr(x - x.mean(dim=0), mode="r").R / math.sqrt(len(x) - 1) for x in (a, b)]
    cross = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    spread = roots[0].square().sum() + roots[1].square().sum() - 2 * cross
    return float((a.mean(dim=0) - b.mean(dim=0)).square().sum() + spread)


def test_diagonal_gaussians_have_a_closed_form() -> None:
    mean_a, mean_b = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
    std_a, std_b = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 2.0, 0.0]).double()
    a = with_moments(mean_a, std_a.diag(), rows=50, seed=1)
    b = with_moments(mean_b, std_b.diag(), rows=70, seed=2)
    expected = (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()
    assert frechet_distance_of(a, b) == pytest.approx(expected.item(), rel=1e-12)


def test_commuting_covariances_have_a_closed_form() -> None:
    axes = torch.linalg.qr(random(6, 6, seed=3)).Q
    std_a = torch.arange(1.0, 7.0).double()
    std_b = torch.tensor([3.0, 0.5, 0.0, 2.0, 9.0, 1.0]).double()
    zero = torch.zeros(6).double()
    a = with_moments(zero, std_a.diag() @ axes.T, rows=40, seed=4)
    b = with_moments(zero, std_b.diag() @ axes.T, rows=20, seed=5)
    assert frechet_distance_of(a, b) == pytest.approx((std_a - std_b).square().sum().item())


@pytest.mark.parametrize("rows", [(300, 200), (200, 24), (24, 24)])
def test_agrees_with_the_matrix_square_root(rows: tuple[int, int]) -> None:
    a = random(rows[0], 16, seed=6) @ random(16, 16, seed=7) + 1
    b = random(rows[1], 16, seed=8) @ random(16, 16, seed=9)
    cov_a, cov_b = np.cov(a.numpy(), rowvar=False), np.cov(b.numpy(), rowvar=False)
    shift = (a.mean(dim=0) - b.mean(dim=0)).square().sum().item()
    root = np.trace(np.real(sqrtm(cov_a @ cov_b)))
    expected = shift + np.trace(cov_a) + np.trace(cov_b) - 2 * root
    assert frechet_distance_of(a, b) == pytest.approx(expected, rel=1e-9)


def test_fewer_clips_than_features_is_exact_too() -> None:
    """Two rank-1 sets on axes at angle theta: tr = |u|^2 + |v|^2 - 2 |u.v|."""
    u, v = torch.zeros(512).double(), torch.zeros(512).double()
    u[0] = 3
    v[0], v[1] = 2 * math.cos(1.0), 2 * math.sin(1.0)
    scale = torch.tensor([[1.0], [-1.0]]).double() / math.sqrt(2)  # unit unbiased variance
    expected = 9 + 4 - 2 * 6 * math.cos(1.0)
    assert frechet_distance_of(scale * u, scale * v) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rows", [(2, 2), (24, 24), (24, 500), (399, 400), (450, 450)])
@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_any_rank_agrees_with_the_rows_themselves(rows: tuple[int, int], decay: float) -> None:
    """Spectra of features fall steeply, so some have directions that hardly vary."""
    scale = torch.arange(1, 401).double() ** -decay
    a, b = random(rows[0], 400, seed=16) * scale, random(rows[1], 400, seed=17) * scale + 0.1
    assert frechet_distance_of(a, b) == pytest.approx(by_rows(a, b), rel=1e-9)


def test_reconstructions_that_are_nearly_exact_keep_their_small_distance() -> None:
    a = random(600, 64, seed=18)
    b = a + 1e-3 * random(600, 64, seed=19)
    assert frechet_distance_of(a, b) == pytest.approx(by_rows(a, b), rel=1e-6)


def test_features_that_never_vary_do_not_count() -> None:
    a, b = random(50, 12, seed=20), 2 * random(60, 12, seed=21)
    dead = torch.full((60, 30), 0.25).double()
    padded = frechet_distance_of(torch.cat([a, dead[:50]], dim=1), torch.cat([b, dead], dim=1))
    assert padded == pytest.approx(frechet_distance_of(a, b), rel=1e-12)


def test_streams_of_ten_thousand_clips_equal_two_passes() -> None:
    a = random(10_000, 64, seed=22) * torch.linspace(0.1, 2, 64).double() + 3
    b = a + 0.1 * random(10_000, 64, seed=23)
    streams = Moments(64), Moments(64)
    for moments, rows in zip(streams, (a, b), strict=True):
        for part in rows.split(37):
            moments.add(part)
    expected = frechet_distance_of(a, b)
    assert frechet_distance(*streams) == pytest.approx(expected, rel=1e-9)
    assert by_rows_of_many(a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows", [2, 24, 600])
def test_a_set_is_at_no_distance_from_itself_in_any_order(rows: int) -> None:
    features = random(rows, 64, seed=10)
    total_variance = features.var(dim=0).sum().item()
    assert frechet_distance_of(features, features) <= 1e-12 * total_variance
    assert frechet_distance_of(features, features.flip(0)) <= 1e-12 * total_variance


def test_a_translation_counts_its_squared_length() -> None:
    features = random(10, 64, seed=11)
    assert frechet_distance_of(features, features + 0.5) == pytest.approx(64 * 0.25)


def test_it_is_symmetric_and_takes_float32() -> None:
    a, b = random(30, 8, seed=12), 2 * random(9, 8, seed=13)
    assert frechet_distance_of(a, b) == pytest.approx(frechet_distance_of(b, a))
    assert frechet_distance_of(a.float(), b.float()) == pytest.approx(
        frechet_distance_of(a, b), rel=1e-5
    )


def test_the_average_over_batches_is_another_number() -> None:
    a, b = random(64, 4, seed=14), random(64, 4, seed=15)
    batches = zip(a.split(4), b.split(4), strict=True)
    average = sum(frechet_distance_of(x, y) for x, y in batches) / 16
    assert average > 3 * frechet_distance_of(a, b)


def test_one_clip_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2 clips a side, got 5 and 1"):
        frechet_distance_of(random(5, 3, seed=1), random(1, 3, seed=2))


def test_features_of_two_networks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5, 4\)"):
        frechet_distance_of(random(5, 3, seed=1), random(5, 4, seed=2))


def test_broken_features_give_nan() -> None:
    broken = random(5, 3, seed=1)
    broken[2, 1] = torch.inf
    assert math.isnan(frechet_distance_of(broken, random(5, 3, seed=2)))


def test_moments_of_two_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="of one length, got 3 and 4"):
        frechet_distance(Moments.of(random(5, 3, seed=1)), Moments.of(random(5, 4, seed=2)))
