"""Wilcoxon's test against all signs there are; Holm's correction against a published example."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from odvae.comparison.significance import holm, least_p, wilcoxon_p


def _by_all_signs(differences: NDArray[np.float64]) -> float:
    """Two-sided p by its definition: how many of all signs give as far a sum of ranks."""
    ranks = rankdata(np.abs(differences))
    middle = ranks.sum() / 2
    found = abs(ranks[differences > 0].sum() - middle)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product((False, True), repeat=len(ranks))
    ]
    return float(np.mean([abs(one - middle) >= found - 1e-9 for one in sums]))


@pytest.mark.parametrize("clips", [3, 6, 9])
def test_wilcoxon_is_exact(clips: int) -> None:
    for seed in range(5):
        differences = np.random.default_rng(seed).normal(0.4, 1, clips)
        assert wilcoxon_p(differences) == pytest.approx(_by_all_signs(differences))


def test_wilcoxon_is_exact_with_ties() -> None:
    differences = np.array([0.5, 0.5, -0.5, 1.0, 1.0, 2.0, -0.25])
    assert wilcoxon_p(differences) == pytest.approx(_by_all_signs(differences))


def test_zeros_are_left_out() -> None:
    differences = np.array([0.1, 0.4, 0.3, -0.2, 0.7, 0.6])
    assert wilcoxon_p(np.append(differences, [0.0, 0.0])) == wilcoxon_p(differences)
    assert wilcoxon_p(np.zeros(5)) == 1.0


def test_many_clips_agree_with_scipy() -> None:
    differences = np.random.default_rng(0).normal(0.2, 1, 80)
    assert wilcoxon_p(differences) == wilcoxon(differences, method="approx").pvalue


def test_the_least_p_is_reached_by_equal_signs() -> None:
    for clips in (1, 5, 6, 12):
        differences = np.arange(1.0, clips + 1)
        assert wilcoxon_p(differences) == pytest.approx(least_p(clips, tests=1))
    assert least_p(5, tests=1) > 0.05 > least_p(6, tests=1)
    assert least_p(6, tests=2) > 0.05
    assert least_p(1, tests=4) == 1.0


def test_holm() -> None:
    # Steps: 0.005 x 4, 0.01 x 3, then not below what came before, 0.04 x 1 < 0.03 x 2.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
