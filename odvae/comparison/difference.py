"""What a comparison finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd

from odvae.comparison.bootstrap import Interval
from odvae.comparison.directions import Metric, metric_of
from odvae.comparison.paired import Paired
from odvae.comparison.significance import LEVEL
from odvae.experiment.student import LEAST_SEEDS


class Finding(Enum):
    """What can be said of a level and its baseline."""

    better = "better"
    worse = "worse"
    higher = "higher"  # of a metric that knows no better side
    lower = "lower"
    not_shown = "no difference shown"
    equal = "equal"  # on every clip


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a level is from the baseline in a metric: level less baseline, paired by clip.

    Attributes:
        interval: 95 %, over clips and, from three seeds on, over seeds.
        p: Wilcoxon's signed-rank test over clips.
        p_holm: after Holm's correction for all tests of the comparison.
    """

    name: str  # of the metric, as it is logged
    level: str
    baseline: str
    paired: Paired
    interval: Interval
    p: float
    p_holm: float

    @property
    def metric(self) -> Metric:
        """Its words and its better side."""
        return metric_of(self.name)

    @property
    def mean(self) -> float:
        """Mean difference over clips and seeds."""
        return float(self.paired.differences.mean())

    @property
    def clips(self) -> int:
        """How many were compared."""
        return len(self.paired.clips)

    @property
    def seeds(self) -> tuple[int, int]:
        """Of the level, of the baseline."""
        return self.paired.level.shape[1], self.paired.baseline.shape[1]

    @property
    def interval_over(self) -> str:
        """Whose spread the interval holds; that of a side's seeds, where these are enough."""
        sides = zip((self.level, self.baseline), self.seeds, strict=True)
        enough = [label for label, count in sides if count >= LEAST_SEEDS]
        if not enough:
            return "clips only"
        return "clips and seeds" if len(enough) > 1 else f"clips and seeds of {enough[0]} only"

    @property
    def clips_ahead(self) -> int:
        """On how many clips the level is better (or higher, where nobody can say)."""
        return int(np.sum(self.metric.sign * self.paired.differences > 0))

    @property
    def finding(self) -> Finding:
        """What the interval and the test show, where they agree."""
        if not self.paired.differences.any():
            return Finding.equal
        if not self.interval.leaves_out_zero or self.p_holm >= LEVEL:
            return Finding.not_shown
        if self.metric.higher_is_better is None:
            return Finding.higher if self.mean > 0 else Finding.lower
        return Finding.better if self.metric.sign * self.mean > 0 else Finding.worse


@dataclass(frozen=True)
class Comparison:
    """Differences of levels from one baseline, metric by metric, and what to bear in mind."""

    differences: Sequence[Difference]
    notes: Sequence[str]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in order."""
        return list(dict.fromkeys(one.name for one in self.differences))

    def of_metric(self, name: str) -> list[Difference]:
        """The differences in one metric, level by level."""
        return [one for one in self.differences if one.name == name]

    def table(self) -> pd.DataFrame:
        """A row for each level and metric, in full precision."""
        return pd.DataFrame(
            {
                "metric": one.name,
                "level": one.level,
                "baseline": one.baseline,
                "level_mean": float(one.paired.level.mean()),
                "baseline_mean": float(one.paired.baseline.mean()),
                "difference": one.mean,
                "low": one.interval.low,
                "high": one.interval.high,
                "p": one.p,
                "p_holm": one.p_holm,
                "share_of_clips_ahead": one.clips_ahead / one.clips,
                "clips": one.clips,
                "level_seeds": one.seeds[0],
                "baseline_seeds": one.seeds[1],
                "paired_by_seed": one.paired.by_seed,
                "interval_over": one.interval_over,
                "finding": one.finding.value,
            }
            for one in self.differences
        )
