"""The videos of the source: whether a few of them decode, and how fast."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from odvae.config import RunConfig, Task
from odvae.data import DataConfig, DataSource, UnreadableVideo, problem_kinds
from odvae.data.scan_manifest import ScanManifest, find_scan
from odvae.data.shards.index import INDEX_NAME
from odvae.data.shards.places import find_places
from odvae.data.shards.source import HELDOUT_FOLDER, TRAIN_FOLDER
from odvae.data.shards.tar import index_tar
from odvae.data.sources import list_source
from odvae.data.splits import too_short
from odvae.data.video import index_frames, iter_frames
from odvae.errors import UserError
from odvae.experiment.diagnosis.finding import Finding, ok, problem, warning

_LOOKED_AT = 3
_READING_S = 0.4
_SLOW_FPS = 25.0  # frames a second that a clip's own player would want


@dataclass(frozen=True)
class Video:
    """One of those that are looked at."""

    name: str
    path: Path


@dataclass(frozen=True)
class Sample:
    """A few videos of a source."""

    videos: Sequence[Video]
    count: str  # how many there are, in words


def look_at_videos(config: RunConfig) -> Iterator[Finding]:
    """First and last frames of a few videos, what a scan knows, and the speed of reading."""
    if config.task is Task.benchmark:
        return
    try:
        with sampled(config.data) as sample:
            yield judge(sample, [why_not(video, config.data) for video in sample.videos])
            yield from _reading(sample.videos)
        scan = find_scan(config.data, cache=config.cache)
    except UserError as error:
        yield problem("data", str(error), "data=... data.path=...: videos that are there")
    else:
        if scan is not None:
            yield judge_scan(scan)


@contextmanager
def sampled(config: DataConfig) -> Iterator[Sample]:
    """The first, the middle and the last video of a source, as files for the moment.

    Raises:
        UserError: there is no such source.
    """
    if config.source is DataSource.webdataset:
        with tempfile.TemporaryDirectory() as folder:
            yield _of_shards(config, Path(folder))
        return
    videos = list_source(config).videos
    chosen = sorted({0, len(videos) // 2, len(videos) - 1})[:_LOOKED_AT]
    count = f"{len(videos):,} video{'s' if len(videos) > 1 else ''}"
    yield Sample([Video(videos[n].name, videos[n].path) for n in chosen], count)


def why_not(video: Video, config: DataConfig) -> str | None:
    """Why a video cannot be used; None if its first and last frame decode and it is long enough."""
    try:
        index = index_frames(video.path)
        for number in (0, index.info.frames - 1):
            for _ in iter_frames(video.path, number, count=1, index=index):
                pass
    except UnreadableVideo as error:
        return error.reason
    frames = index.info.frames
    return f"too short: {too_short(frames, config)}" if frames < config.span_frames else None


def judge(sample: Sample, reasons: Sequence[str | None]) -> Finding:
    """What to say of a source; ``reasons`` are those against each video."""
    looked_at = len(sample.videos)
    if not looked_at:
        return ok("data", f"{sample.count}: none was looked at")
    bad = [
        f"{video.name}: {why}"
        for video, why in zip(sample.videos, reasons, strict=True)
        if why is not None
    ]
    if not bad:
        return ok("data", f"{sample.count}; first and last frame of {looked_at} decode")
    said = f"{sample.count}; of {looked_at} looked at, {len(bad)} cannot be used: {'; '.join(bad)}"
    remedy = "python -m odvae.scan with the same data=... finds all that are bad; runs skip them"
    if len(bad) == looked_at:
        return problem("data", said, remedy)
    return warning("data", said, remedy)


def judge_scan(scan: ScanManifest) -> Finding:
    """What to say of a scan."""
    kinds = problem_kinds(entry.problem for entry in scan.entries if entry.problem)
    said = f"{len(scan.entries):,} videos were scanned"
    if not kinds:
        return ok("scan", f"{said}, all are sound")
    bad = sum(kinds.values())
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    if bad == len(scan.entries):
        return problem("scan", f"{said}, none is sound: {listed}", "get the videos anew")
    return ok("scan", f"{said}, {bad} are bad and skipped: {listed}")


def _reading(videos: Sequence[Video]) -> Iterator[Finding]:
    """How fast the first video that can be read is read."""
    for video in videos:
        try:
            index = index_frames(video.path)
            frames, began_s = 0, time.perf_counter()
            for _ in iter_frames(video.path, 0, count=index.info.frames, index=index):
                frames += 1
                if time.perf_counter() - began_s > _READING_S:
                    break
            fps = frames / (time.perf_counter() - began_s)
        except UnreadableVideo:
            continue
        yield judge_reading(fps, index.info.height, index.info.width)
        return


def judge_reading(fps: float, height: int, width: int) -> Finding:
    """What to say of the frames a second that one thread reads."""
    said = f"{fps:,.0f} frames of {width}x{height} a second in one thread"
    if fps < _SLOW_FPS:
        return warning(
            "reading",
            f"{said}: slow",
            "more data.workers, or copies of the videos with a short side of data.short_side_px",
        )
    return ok("reading", said)


def _of_shards(config: DataConfig, folder: Path) -> Sample:
    """The first videos of the first shard that lies here."""
    root = Path(config.path or "").expanduser()
    is_ours = (root / HELDOUT_FOLDER / INDEX_NAME).is_file()
    places = find_places(str(root / TRAIN_FOLDER) if is_ours else config.path or "")
    here = [place for place in places if not place.is_remote]
    count = f"{len(places):,} shard{'s' if len(places) > 1 else ''}"
    if not here:
        return Sample([], f"{count}, by URL")
    videos: list[Video] = []
    with here[0].path.open("rb") as tar:
        for sample in index_tar(tar, name=str(here[0])).samples[:_LOOKED_AT]:
            tar.seek(sample.offset)
            path = folder / f"{len(videos)}{sample.suffix}"
            path.write_bytes(tar.read(sample.length))
            videos.append(Video(f"{here[0].name}/{sample.key}", path))
    return Sample(videos, count)
