"""A few words on a data set, for those who log runs."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from odvae.data.config import DataConfig, DataSource
from odvae.data.ranges import Source


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What a run was given.

    Attributes:
        name:   of the data set.
        digest: sha256: the scan's, of what the videos are; without one, of their names, sizes in
            bytes and ranges.
        is_scanned: which of the two.
        train_videos: how many; likewise what follows.
        skipped: how many videos, or parts, of each kind of problem.
    """

    name: str
    digest: str
    is_scanned: bool
    train_videos: int
    train_frames: int
    heldout_videos: int
    heldout_frames: int
    skipped: dict[str, int]


def dataset_summary(source: Source, config: DataConfig) -> DatasetSummary:
    """Sum up a source that was opened with this configuration."""
    fold = f" fold {config.fold}" if config.source is DataSource.ucf101 else ""
    return DatasetSummary(
        name=config.source.value + fold,
        digest=source.scan_digest or _digest_of_sizes(source),
        is_scanned=source.scan_digest is not None,
        train_videos=len(source.train),
        train_frames=sum(video.frames for video in source.train),
        heldout_videos=len(source.heldout),
        heldout_frames=sum(video.frames for video in source.heldout),
        skipped=problem_kinds(one.reason for one in source.skipped),
    )


def problem_kinds(problems: Iterable[str]) -> dict[str, int]:
    """How many there are of each kind, the most frequent first: what stands before the colon."""
    kinds = Counter(problem.partition(":")[0] for problem in problems)
    return dict(kinds.most_common())


def _digest_of_sizes(source: Source) -> str:
    ranges = [
        [(r.name, r.size_bytes, r.first_frame, r.end_frame) for r in side]
        for side in (source.train, source.heldout)
    ]
    return hashlib.sha256(json.dumps(ranges).encode()).hexdigest()
