"""Means and intervals against closed forms."""

import math

import pandas as pd
import pytest
from scipy.stats import t

from analysis.seeds import differences, summary


def _values(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["level", "seed", "value"])


def test_interval_of_three_seeds_is_students() -> None:
    row = summary(_values([("a", "0", 1.0), ("a", "1", 2.0), ("a", "2", 3.0)]), ["level"]).iloc[0]
    # Standard deviation 1; the 97.5 % quantile with two degrees of freedom is 4.3027.
    half = 4.302652729911275 / math.sqrt(3)
    assert (row["seeds"], row["mean"]) == (3, 2.0)
    assert row["low"] == pytest.approx(2 - half, rel=1e-9)
    assert row["high"] == pytest.approx(2 + half, rel=1e-9)


def test_interval_agrees_with_scipy() -> None:
    numbers = [20.1, 20.7, 19.8, 20.4, 20.9]
    row = summary(_values([("a", str(i), x) for i, x in enumerate(numbers)]), ["level"]).iloc[0]
    series = pd.Series(numbers)
    expected = t.interval(0.95, df=4, loc=series.mean(), scale=series.sem())
    assert (row["low"], row["high"]) == pytest.approx(expected, rel=1e-9)


def test_no_interval_below_three_seeds() -> None:
    table = summary(_values([("a", "0", 1.0), ("b", "0", 1.0), ("b", "1", 3.0)]), ["level"])
    assert list(table["mean"]) == [1.0, 2.0]
    assert table[["low", "high"]].isna().all().all()


def test_differences_are_between_equal_seeds() -> None:
    rows = [("a", "0", 1.0), ("a", "1", 5.0), ("b", "0", 1.5), ("b", "1", 5.5), ("b", "2", 9.0)]
    paired = differences(_values(rows), baseline="a")
    assert list(paired.loc[paired["level"] == "b", "value"]) == [0.5, 0.5]  # seed 2 has no pair
    assert list(paired.loc[paired["level"] == "a", "value"]) == [0.0, 0.0]
