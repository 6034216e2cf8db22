"""Streaming moments against two passes over all rows."""

import pytest
import torch
from torch import Tensor

from odvae.metrics.moments import Moments


def random(rows: int, columns: int, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def two_passes(rows: Tensor) -> tuple[Tensor, Tensor]:
    mean = rows.mean(dim=0)
    off = rows - mean
    return mean, off.T @ off / (len(rows) - 1)


def in_parts(rows: Tensor, sizes: list[int]) -> Moments:
    moments = Moments(rows.shape[1])
    start = 0
    while start < len(rows):
        for size in sizes:
            moments.add(rows[start : start + size])
            start += size
    return moments


def relative_error(got: Tensor, expected: Tensor) -> float:
    return ((got - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_ten_thousand_rows_in_odd_parts_equal_two_passes(offset: float) -> None:
    rows = random(10_000, 400, seed=1) * torch.linspace(0.1, 3, 400).double() + offset
    moments = in_parts(rows, [1, 333, 0, 7, 1024, 2])
    mean, covariance = two_passes(rows - offset)
    assert moments.count == 10_000
    assert relative_error(moments.mean, mean + offset) < 1e-12
    assert relative_error(moments.covariance, covariance) < 1e-9


def test_an_offset_costs_no_digits_even_when_the_rows_drift() -> None:
    """Sorted rows: every part lies elsewhere, so a rounded mean would show in the covariance."""
    exact = torch.linspace(-4, 4, 4097).double().unsqueeze(1).round(decimals=3)
    offset = 2.0**33  # leaves 19 binary digits, all that the rows have
    rows = exact.mul(2**19).round().div(2**19) + offset
    moments = in_parts(rows, [10, 3])
    _, covariance = two_passes(rows - offset)
    assert relative_error(moments.covariance, covariance) < 1e-12


def test_moments_of_parts_merge_to_those_of_the_whole_in_any_order() -> None:
    rows = random(300, 5, seed=2) + 10
    parts = [Moments.of(part) for part in rows.split([1, 100, 2, 150, 47])]
    merged = Moments(5)
    for part in reversed(parts):
        merged.merge(part)
    mean, covariance = two_passes(rows)
    torch.testing.assert_close(merged.mean, mean)
    torch.testing.assert_close(merged.covariance, covariance)
    assert [part.count for part in parts] == [1, 100, 2, 150, 47]
    merged.merge(Moments(5))
    torch.testing.assert_close(merged.covariance, covariance, rtol=0, atol=1e-15)


def test_a_tensor_keeps_all_there_is_to_know() -> None:
    first, second = random(20, 3, seed=3), random(30, 3, seed=4)
    packed = Moments.of(first).to_tensor()
    assert packed.shape == (4, 4)
    again = Moments.from_tensor(packed)
    again.add(second)
    expected = Moments.of(torch.cat([first, second]))
    assert again.count == 50
    torch.testing.assert_close(again.mean, expected.mean)
    torch.testing.assert_close(again.covariance, expected.covariance)
    torch.testing.assert_close(packed, Moments.of(first).to_tensor(), rtol=0, atol=0)


def test_a_part_that_was_merged_stays_as_it_was() -> None:
    whole, part = Moments(3), Moments.of(random(5, 3, seed=5))
    before = part.to_tensor()
    whole.merge(part)
    whole.add(random(5, 3, seed=6))
    torch.testing.assert_close(part.to_tensor(), before, rtol=0, atol=0)


@pytest.mark.parametrize("position", [0, 3])
@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_rows_that_are_not_finite_show(position: int, value: float) -> None:
    rows = random(6, 3, seed=7)
    assert Moments.of(rows).is_finite
    rows[position, 1] = value
    assert not in_parts(rows, [2]).is_finite


def test_float32_is_counted_in_float64() -> None:
    rows = random(100, 3, seed=8).float()
    torch.testing.assert_close(Moments.of(rows).covariance, two_passes(rows.double())[1])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rows must be \(M, 3\), got \(5, 4\)"):
        Moments(3).add(torch.zeros(5, 4))
    with pytest.raises(ValueError, match="cannot merge 3 and 4"):
        Moments(3).merge(Moments(4))
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        _ = Moments.of(torch.zeros(1, 2)).covariance
    with pytest.raises(ValueError, match="square of float64"):
        Moments.from_tensor(torch.zeros(3, 4))
