"""The clips on which a level and its baseline differ most."""

from dataclasses import dataclass

import numpy as np

from odvae.comparison.difference import Difference


@dataclass(frozen=True)
class Extreme:
    """A clip, with means over seeds."""

    clip: str
    ahead: str  # label of the side that is better there
    level: float
    baseline: float

    @property
    def difference(self) -> float:
        """Level less baseline."""
        return self.level - self.baseline


def extremes(one: Difference, count: int) -> list[Extreme]:
    """Up to ``count`` clips on which the level leads by most, then as many of the baseline's."""
    paired = one.paired
    gains = one.metric.sign * paired.differences
    leads = np.argsort(-gains, kind="stable")
    levels, baselines = paired.level.mean(axis=1), paired.baseline.mean(axis=1)
    chosen = [(place, one.level) for place in leads[:count] if gains[place] > 0]
    chosen += [(place, one.baseline) for place in leads[::-1][:count] if gains[place] < 0]
    return [
        Extreme(paired.clips[place], ahead, float(levels[place]), float(baselines[place]))
        for place, ahead in chosen
    ]
