"""Values of two levels side by side: a row a clip, a column a seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from odvae.errors import UserError

_NO_METRIC = {"clip", "finite"}  # other columns of the scores


@dataclass(frozen=True)
class Level:
    """One of the things that are compared.

    Attributes:
        label: what it is called.
        scores: by seed, a row a clip: columns ``clip`` (its id, once) and a number for each metric.
    """

    label: str
    scores: Mapping[str, pd.DataFrame]

    @property
    def metrics(self) -> list[str]:
        """Metrics that each seed has."""
        first, *others = self.scores.values()
        names = [str(name) for name in first.columns if name not in _NO_METRIC]
        return [name for name in names if all(name in other.columns for other in others)]

    def values(self, metric: str) -> pd.DataFrame:
        """A row for each clip that every seed has, by its id; a column a seed.

        Raises:
            ValueError: a clip stands in a seed's scores twice.
        """
        columns = {seed: frame.set_index("clip")[metric] for seed, frame in self.scores.items()}
        for seed, column in columns.items():
            if not column.index.is_unique:
                raise ValueError(f"{self.label}, seed {seed}: a clip counts once")
        values: pd.DataFrame = pd.concat(columns, axis="columns", join="inner")
        return values


@dataclass(frozen=True)
class Paired:
    """Values of a metric on the clips that both levels have.

    Attributes:
        clips: their ids.
        level, baseline: (clips, seeds); where ``by_seed``, of the same seeds.
        not_shared: how many clips only one of them has.
        not_finite: clips left out since a value of theirs is NaN or infinite.
    """

    clips: list[str]
    level: NDArray[np.float64]
    baseline: NDArray[np.float64]
    by_seed: bool
    not_shared: int
    not_finite: list[str]

    @property
    def differences(self) -> NDArray[np.float64]:
        """(clips,): level less baseline, each the mean over its seeds."""
        means: NDArray[np.float64] = self.level.mean(axis=1) - self.baseline.mean(axis=1)
        return means

    @property
    def over_seeds(self) -> list[NDArray[np.float64]]:
        """(clips, seeds) each: what the differences are means of, or a sum of means of."""
        if self.by_seed:
            return [self.level - self.baseline]
        return [self.level, -self.baseline]


def pair(level: Level, baseline: Level, *, metric: str) -> Paired:
    """Join two levels by clip, and by seed where both have the same seeds.

    Raises:
        UserError: they share no clip, or none with finite values.
    """
    ours, theirs = level.values(metric), baseline.values(metric)
    shared = ours.index.intersection(theirs.index, sort=False)
    by_seed = set(ours.columns) == set(theirs.columns)
    if by_seed:
        theirs = theirs[ours.columns]
    ours, theirs = ours.loc[shared], theirs.loc[shared]
    finite = np.isfinite(ours.to_numpy()).all(axis=1) & np.isfinite(theirs.to_numpy()).all(axis=1)
    if not finite.any():
        what = f"no finite {metric} on any of the clips" if len(shared) else "no clip"
        raise UserError(f"{level.label} and {baseline.label} share {what}")
    everything = level.values(metric).index.union(baseline.values(metric).index)
    return Paired(
        clips=[str(clip) for clip in shared[finite]],
        level=ours[finite].to_numpy(dtype=float),
        baseline=theirs[finite].to_numpy(dtype=float),
        by_seed=by_seed,
        not_shared=len(everything) - len(shared),
        not_finite=[str(clip) for clip in shared[~finite]],
    )
