"""Student's interval of a mean over seeds."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
LEAST_SEEDS = 3  # with two, the interval is thirteen times the standard error


def half_width(deviations: ArrayLike, counts: ArrayLike) -> NDArray[np.float64]:
    """Half the width of the 95 % interval around each of several means.

    Args:
        deviations: standard deviation of the values behind each mean, with n - 1 below.
        counts: how many values, n.

    Returns:
        NaN where there are fewer than LEAST_SEEDS values.
    """
    deviation, count = np.asarray(deviations, dtype=float), np.asarray(counts)
    enough = count >= LEAST_SEEDS
    known = np.where(enough, count, LEAST_SEEDS)  # no warning about what is not used
    quantile = stdtrit(known - 1, (1 + CONFIDENCE) / 2)
    widths: NDArray[np.float64] = np.where(enough, quantile * deviation / np.sqrt(known), np.nan)
    return widths
