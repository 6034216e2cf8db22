"""The Frechet distance against closed forms and scipy's matrix square root."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm  # type: ignore[import-untyped, unused-ignore]
from torch import Tensor

from odvae.metrics import frechet_distance


def random(rows: int, columns: int, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def with_moments(mean: Tensor, covariance_root: Tensor, *, rows: int, seed: int) -> Tensor:
    """Rows whose sample mean and unbiased covariance (root^T root) are exact, not estimates."""
    sample = random(rows, len(covariance_root), seed=seed)
    sample = torch.linalg.qr(sample - sample.mean(dim=0)).Q * math.sqrt(rows - 1)
    rows_of_set: Tensor = mean + sample @ covariance_root
    return rows_of_set


def test_diagonal_gaussians_have_a_closed_form() -> None:
    mean_a, mean_b = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
    std_a, std_b = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 2.0, 0.0]).double()
    a = with_moments(mean_a, std_a.diag(), rows=50, seed=1)
    b = with_moments(mean_b, std_b.diag(), rows=70, seed=2)
    expected = (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-12)


def test_commuting_covariances_have_a_closed_form() -> None:
    axes = torch.linalg.qr(random(6, 6, seed=3)).Q
    std_a = torch.arange(1.0, 7.0).double()
    std_b = torch.tensor([3.0, 0.5, 0.0, 2.0, 9.0, 1.0]).double()
    zero = torch.zeros(6).double()
    a = with_moments(zero, std_a.diag() @ axes.T, rows=40, seed=4)
    b = with_moments(zero, std_b.diag() @ axes.T, rows=20, seed=5)
    assert frechet_distance(a, b) == pytest.approx((std_a - std_b).square().sum().item())


@pytest.mark.parametrize("rows", [(300, 200), (200, 24), (24, 24)])
def test_agrees_with_the_matrix_square_root(rows: tuple[int, int]) -> None:
    a = random(rows[0], 16, seed=6) @ random(16, 16, seed=7) + 1
    b = random(rows[1], 16, seed=8) @ random(16, 16, seed=9)
    cov_a, cov_b = np.cov(a.numpy(), rowvar=False), np.cov(b.numpy(), rowvar=False)
    shift = (a.mean(dim=0) - b.mean(dim=0)).square().sum().item()
    root = np.trace(np.real(sqrtm(cov_a @ cov_b)))
    expected = shift + np.trace(cov_a) + np.trace(cov_b) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_fewer_clips_than_features_is_exact_too() -> None:
    """Two rank-1 sets on axes at angle theta: tr = |u|^2 + |v|^2 - 2 |u.v|."""
    u, v = torch.zeros(512).double(), torch.zeros(512).double()
    u[0] = 3
    v[0], v[1] = 2 * math.cos(1.0), 2 * math.sin(1.0)
    scale = torch.tensor([[1.0], [-1.0]]).double() / math.sqrt(2)  # unit unbiased variance
    expected = 9 + 4 - 2 * 6 * math.cos(1.0)
    assert frechet_distance(scale * u, scale * v) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rows", [2, 24, 600])
def test_a_set_is_at_no_distance_from_itself_in_any_order(rows: int) -> None:
    features = random(rows, 64, seed=10)
    total_variance = features.var(dim=0).sum().item()
    assert frechet_distance(features, features) <= 1e-12 * total_variance
    assert frechet_distance(features, features.flip(0)) <= 1e-12 * total_variance


def test_a_translation_counts_its_squared_length() -> None:
    features = random(10, 64, seed=11)
    assert frechet_distance(features, features + 0.5) == pytest.approx(64 * 0.25)


def test_it_is_symmetric_and_takes_float32() -> None:
    a, b = random(30, 8, seed=12), 2 * random(9, 8, seed=13)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a.float(), b.float()) == pytest.approx(frechet_distance(a, b), rel=1e-5)


def test_the_average_over_batches_is_another_number() -> None:
    a, b = random(64, 4, seed=14), random(64, 4, seed=15)
    batches = zip(a.split(4), b.split(4), strict=True)
    average = sum(frechet_distance(x, y) for x, y in batches) / 16
    assert average > 3 * frechet_distance(a, b)


def test_one_clip_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2 clips a side, got 5 and 1"):
        frechet_distance(random(5, 3, seed=1), random(1, 3, seed=2))


def test_features_of_two_networks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5, 4\)"):
        frechet_distance(random(5, 3, seed=1), random(5, 4, seed=2))


def test_broken_features_give_nan() -> None:
    broken = random(5, 3, seed=1)
    broken[2, 1] = torch.inf
    assert math.isnan(frechet_distance(broken, random(5, 3, seed=2)))
