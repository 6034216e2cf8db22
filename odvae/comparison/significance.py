"""How likely differences are by chance alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

LEVEL = 0.05


def wilcoxon_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test of (clips,) differences; 1 where all are zero.

    Zeros are left out. Exact up to 50 differences without ties, and up to 13 with them.
    """
    not_zero = differences[differences != 0]
    return float(wilcoxon(not_zero).pvalue) if len(not_zero) else 1.0


def least_p(clips: int, *, tests: int) -> float:
    """The smallest p after Holm's correction that so many clips can reach: all of one sign."""
    return min(1.0, tests * 2.0 ** (1 - clips))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: below 0.05 for any test of no effect in 5 % of cases at most."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    stepped = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1)
    corrected = np.empty(len(p_values))
    corrected[order] = stepped
    return [float(p) for p in corrected]
