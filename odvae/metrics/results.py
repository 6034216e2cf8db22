"""What an evaluation has found: scores by clip, by frame position, and of the whole set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from odvae.metrics.feature_sets import FeatureSets
from odvae.metrics.scorers import Missing

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """Scores of one clip of T frames."""

    clip_id: str
    frames: dict[str, list[float]]  # T values a metric; T - 1 where it takes the frame before too
    crosschecks: dict[str, float]  # of the whole clip, by metric name
    finite: bool  # whether every value of the reconstruction was finite; if not, scores are NaN

    def values(self) -> dict[str, float]:
        """Scores by metric name, each the mean over frames where it is not one of the clip."""
        return {name: _mean(values) for name, values in self.frames.items()} | self.crosschecks


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """Scores of a set of clips of one shape; NaN where a reconstruction is broken."""

    clip_shape: tuple[int, int, int, int]  # (C, T, H, W) of every clip
    per_clip: list[ClipScores]  # at least one, in the order in which they were added
    feature_sets: dict[str, FeatureSets]  # by name of the Frechet distance, of the whole set
    missing: list[Missing]  # metrics that this set does not allow

    @property
    def clips(self) -> int:
        """How many clips there were."""
        return len(self.per_clip)

    @property
    def psnr_db(self) -> float:
        """PSNR, mean over frames and then clips."""
        return self.values()["psnr_db"]

    @property
    def rank_deficient(self) -> bool:
        """Whether clips are too few for covariances of full rank: compare the same clips only."""
        return any(self.clips <= sets.dimensions for sets in self.feature_sets.values())

    @property
    def by_frame(self) -> dict[str, list[float]]:
        """Means over clips by metric name, one a frame position as in ``ClipScores.frames``."""
        return {
            name: [_mean(column) for column in zip(*columns, strict=True)]
            for name, columns in _columns([row.frames for row in self.per_clip]).items()
        }

    @property
    def non_finite_clips(self) -> list[str]:
        """Ids of clips whose reconstruction holds an infinity or NaN."""
        return [row.clip_id for row in self.per_clip if not row.finite]

    def values(self) -> dict[str, float]:
        """Scores of the set by metric name, as a tracker or a table wants them."""
        by_clip = _columns([row.values() for row in self.per_clip])
        of_sets = [sets.values() for sets in self.feature_sets.values()]
        means = {name: _mean(column) for name, column in by_clip.items()}
        return {name: value for values in (means, *of_sets) for name, value in values.items()}

    def values_by_position(self) -> list[dict[str, float]]:
        """One item a frame position: the scores there, each named ``<metric>_by_frame``."""
        return [
            {f"{name}_by_frame": value for name, value in values.items()}
            for values in by_position(self.by_frame)
        ]


def by_position(frames: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Turn the values of each metric into those of each frame position, from 0 to T - 1.

    A metric with one value fewer than there are frames takes two, and counts as the later one's.
    """
    count = max(len(values) for values in frames.values())
    return [
        {
            name: values[position - count]
            for name, values in frames.items()
            if position >= count - len(values)
        }
        for position in range(count)
    ]


def _columns(rows: list[dict[str, Value]]) -> dict[str, list[Value]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
