"""The kernel distance against a direct double sum, and what is known of it."""

import math

import pytest
import torch
from torch import Tensor

from odvae.metrics import kernel_distance as module
from odvae.metrics.kernel_distance import block_estimate, kernel_distance


def random(rows: int, columns: int, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def double_sum(a: Tensor, b: Tensor) -> float:
    """The definition, one pair of rows at a time."""

    def kernel(x: Tensor, y: Tensor) -> float:
        return (math.fsum((x * y).tolist()) / len(x) + 1) ** 3

    def within(rows: Tensor) -> float:
        count = len(rows)
        pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
        return math.fsum(kernel(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    across = math.fsum(kernel(x, y) for x in a for y in b) / (len(a) * len(b))
    return within(a) + within(b) - 2 * across


@pytest.mark.parametrize("rows", [(2, 2), (17, 23), (24, 24)])
def test_it_is_the_double_sum(rows: tuple[int, int]) -> None:
    a, b = 3 * random(rows[0], 40, seed=1) + 0.5, random(rows[1], 40, seed=2)
    assert kernel_distance(a, b) == pytest.approx(double_sum(a, b), rel=1e-11, abs=1e-13)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = random(30, 8, seed=3) + 1, random(41, 8, seed=4)
    whole = kernel_distance(a, b)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-12)


def test_it_is_unbiased_for_independent_sets() -> None:
    """Over many draws of small sets from one distribution its mean is 0, unlike a Frechet one's."""
    found = torch.tensor(
        [kernel_distance(random(8, 4, seed=s), random(8, 4, seed=10_000 + s)) for s in range(2000)]
    )
    error = found.std() / math.sqrt(len(found))
    assert abs(found.mean()) < 4 * error
    assert found.min() < 0 < found.max()


def test_a_set_is_below_zero_from_itself() -> None:
    """The pairs of a row with itself count across, as published; they do not within."""
    a = random(50, 4, seed=5)
    kernels = (a @ a.T / 4 + 1) ** 3
    off = (kernels.sum() - kernels.trace()) / (50 * 49)
    expected = float(2 * off - 2 * kernels.mean())
    assert kernel_distance(a, a) == pytest.approx(expected, rel=1e-10)
    assert expected < 0


def test_it_grows_with_the_difference() -> None:
    a = random(100, 16, seed=6)
    near, far = (kernel_distance(a, random(100, 16, seed=7) + shift) for shift in (0.2, 0.6))
    assert 0 < near < far


def test_blocks_of_the_whole_sets_are_the_distance() -> None:
    a, b = random(20, 6, seed=8), random(20, 6, seed=9) + 1
    found = block_estimate(a, b, blocks=3, block_size=20, seed=0)
    assert found.mean == pytest.approx(kernel_distance(a, b), rel=1e-12)
    assert found.std == pytest.approx(0, abs=1e-12)


def test_blocks_scatter_about_the_distance_and_follow_their_seed() -> None:
    a, b = random(400, 6, seed=10), random(300, 6, seed=11) + 0.5
    found = block_estimate(a, b, blocks=200, block_size=40, seed=1)
    assert (found.blocks, found.block_size) == (200, 40)
    error = found.std / math.sqrt(200)
    assert abs(found.mean - kernel_distance(a, b)) < 4 * error
    assert found == block_estimate(a, b, blocks=200, block_size=40, seed=1)
    assert found != block_estimate(a, b, blocks=200, block_size=40, seed=2)


def test_broken_features_give_nan() -> None:
    broken = random(5, 3, seed=1)
    broken[2, 1] = torch.inf
    assert math.isnan(kernel_distance(broken, random(5, 3, seed=2)))
    assert math.isnan(kernel_distance(random(5, 3, seed=2), broken))


def test_what_cannot_be_is_refused() -> None:
    a = random(5, 3, seed=1)
    with pytest.raises(ValueError, match="at least 2 clips a side, got 5 and 1"):
        kernel_distance(a, a[:1])
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5, 2\)"):
        kernel_distance(a, a[:, :2])
    with pytest.raises(ValueError, match=r"block_size must be in 2\.\.5, got 6"):
        block_estimate(a, a, blocks=2, block_size=6, seed=0)
    with pytest.raises(ValueError, match="blocks must be at least 1, got 0"):
        block_estimate(a, a, blocks=0, block_size=3, seed=0)
