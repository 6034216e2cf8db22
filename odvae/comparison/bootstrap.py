"""An interval around a mean over clips and seeds, by resampling.

A mean of (clips, seeds) values errs because it has only these clips and only these seeds. Both
errors are drawn many times, apart from each other, and added; the interval is what 95 % of the
sums leave.

The error of a mean of n values is drawn by the bootstrap-t (Efron 1981; Hall 1988): resample the
values, divide by how far the mean moves through the standard error of that resample, and multiply
by the standard error of the values. Unlike resampled means alone, this is not too narrow for few
values, and follows their skewness. Very few values do not show the shape of what they come from:
of fewer than LEAST_TO_RESAMPLE the quotient is drawn from Student's distribution instead. With
seeds that is the rule.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odvae.experiment.student import CONFIDENCE, LEAST_SEEDS

LEAST_TO_RESAMPLE = 8
RESAMPLES = 10_000
_NUMBERS_AT_ONCE = 4_000_000  # bounds the memory of resampling many clips
_UPPER = (1 + CONFIDENCE) / 2

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Where the true mean is thought to be; NaN where nothing can be said."""

    low: float
    high: float

    @property
    def leaves_out_zero(self) -> bool:
        """Whether the sign is known."""
        return self.low > 0 or self.high < 0


def interval(
    means: Values, over_seeds: Sequence[Values], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """The 95 % interval of the mean over clips and seeds.

    Args:
        means: (clips,), each a mean over seeds.
        over_seeds: (clips, seeds) each, of which ``means`` is the sum of the means over seeds: one
            where values are paired by seed, two where each side has its own. What has fewer than
            LEAST_SEEDS seeds takes no part: the interval is then over clips only.
        seed: of the draws; equal arguments give equal intervals.
        resamples: how many draws.

    Returns:
        NaN of fewer than two clips.
    """
    if len(means) < 2:
        return Interval(np.nan, np.nan)
    rng = np.random.default_rng(seed)
    errors = _errors_of_mean(means, rng, resamples)
    for values in over_seeds:
        if values.shape[1] >= LEAST_SEEDS:
            share = _share_of_seeds(values)
            errors = errors + share * _errors_of_mean(values.mean(axis=0), rng, resamples)
    low, high = np.quantile(means.mean() + errors, [1 - _UPPER, _UPPER])
    return Interval(float(low), float(high))


def _share_of_seeds(values: Values) -> float:
    """What part of the deviation between seeds is theirs, of (clips, seeds) values.

    Seeds differ also because each clip comes out a little different in each; that noise is in the
    spread over clips already, and would count twice. Mean squares of the two-way layout tell.
    """
    clips, seeds = values.shape
    of_seeds, of_clips = values.mean(axis=0), values.mean(axis=1, keepdims=True)
    between = clips * of_seeds.var(ddof=1)
    noise = (values - of_seeds - of_clips + values.mean()).var() * values.size
    noise /= (clips - 1) * (seeds - 1)
    return float(np.sqrt(1 - noise / between)) if between > noise else 0.0


def _errors_of_mean(values: Values, rng: np.random.Generator, draws: int) -> Values:
    """(draws,): by how much the mean of such values may lie above or below the one of these."""
    count = len(values)
    standard_error = float(values.std(ddof=1)) / math.sqrt(count)
    quotients: Values = rng.standard_t(count - 1, draws)
    at_once = max(1, _NUMBERS_AT_ONCE // count)
    for start in range(0, draws if count >= LEAST_TO_RESAMPLE else 0, at_once):
        part = quotients[start : start + at_once]
        picked = values[rng.integers(count, size=(len(part), count))]
        moved, of_resample = values.mean() - picked.mean(axis=1), picked.std(axis=1, ddof=1)
        # A resample of one value, many times, has no standard error; Student's quotient stays.
        np.divide(moved, of_resample / np.sqrt(count), out=part, where=of_resample > 0)
    return standard_error * quotients
