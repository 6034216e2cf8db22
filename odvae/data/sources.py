"""Open a source: find its videos, leave out what cannot be used, split the rest."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from odvae.data.config import DataConfig, DataSource
from odvae.data.content import video_state
from odvae.data.csv_lists import list_csv
from odvae.data.index import UnreadableVideo, VideoInfo
from odvae.data.listing import Listed, Listing
from odvae.data.ranges import Content, Skipped, Source, VideoRange
from odvae.data.scan_manifest import ScanEntry, ScanManifest, find_scan
from odvae.data.splits import split_videos, too_short
from odvae.data.trees import VIDEO_SUFFIXES, list_bundled, list_folder, list_sky_timelapse
from odvae.data.ucf101 import list_ucf101
from odvae.data.video import probe
from odvae.errors import UserError

__all__ = ["VIDEO_SUFFIXES", "Skipped", "Source", "VideoRange", "list_source", "open_source"]

_LISTERS: dict[DataSource, Callable[[DataConfig], Listing]] = {
    DataSource.bundled: list_bundled,
    DataSource.folder: list_folder,
    DataSource.ucf101: list_ucf101,
    DataSource.sky_timelapse: list_sky_timelapse,
    DataSource.webvid: list_csv,
    DataSource.panda70m: list_csv,
    DataSource.kinetics: list_csv,
}

_NAMED_IN_ERROR = 3  # skipped videos that an error message lists


def list_source(config: DataConfig) -> Listing:
    """Name the videos of a source, without opening any.

    Raises:
        UserError: a folder or a list is missing or is not one, or names no video that is there.
    """
    lister = _LISTERS.get(config.source)
    if lister is None:
        raise UserError(f"data={config.source.name} holds no video files to list")
    return lister(config)


def open_source(config: DataConfig, *, cache: Path | None = None) -> Source:
    """Find the videos, leave out what cannot be used, and split the rest.

    The bundled clips, and a folder or a CSV with a single usable video, are split by time: the
    first ``1 - heldout_fraction`` of the frames trains. Other folders, and single CSVs, are split
    by file, by a hash of the file's name, so that adding files moves no other file to the other
    side. Everything else says itself what is held out. In a file that was cut off, the frames that
    are there count, not those that its header promises.

    What a scan knows of a video is believed as long as size and date are those of the scan: its
    frames, or the problem for which it is skipped. Other videos are opened, which takes a while.

    Args:
        cache: where scans lie, unless ``config.manifest`` names one.

    Raises:
        UserError: no such folder, list or scan, or nothing left to train on or to evaluate on.
    """
    scan = find_scan(config, cache=cache)
    listing = list_source(config)
    known = _by_scan(listing.videos, scan) if scan else {}
    videos: list[tuple[Listed, VideoRange]] = []
    skipped = list(listing.skipped)
    for listed, found in _facts(listing.videos, known):
        if isinstance(found, str):
            skipped.append(Skipped(listed.name, found))
        elif found.info.frames < config.span_frames:
            short = too_short(found.info.frames, config)
            skipped.append(Skipped(listed.name, f"too short: {short}"))
        else:
            videos.append((listed, found.video(listed)))
    sides = split_videos(videos, listing.split, config)
    skipped += sides.skipped
    if not sides.train or not sides.heldout:
        raise _nothing_left(config, skipped, side="held-out" if sides.train else "training")
    whole = scan is not None and len(known) == len(listing.videos) == len(scan.entries)
    return Source(sides.train, sides.heldout, skipped, scan.digest if scan and whole else None)


@dataclass(frozen=True)
class _Facts:
    """What is known of a video that can be read."""

    info: VideoInfo
    scanned: Content | None

    def video(self, listed: Listed) -> VideoRange:
        """The whole of it."""
        end = self.info.frames
        return VideoRange(
            listed.path, listed.name, 0, end, listed.label, self.info, scanned=self.scanned
        )


def _by_scan(videos: list[Listed], scan: ScanManifest) -> dict[str, ScanEntry]:
    """The entries, by name, of the videos that are as they were scanned."""
    entries = {entry.name: entry for entry in scan.entries}
    with ThreadPoolExecutor() as pool:  # file systems far away answer many questions at a time
        states = list(pool.map(video_state, (video.path for video in videos)))
    return {
        video.name: entries[video.name]
        for video, state in zip(videos, states, strict=True)
        if video.name in entries and entries[video.name].state == state
    }


def _facts(
    videos: list[Listed], known: dict[str, ScanEntry]
) -> Iterator[tuple[Listed, _Facts | str]]:
    """Each video with what is known of it, or with the reason why it is not used."""
    unknown = [video for video in videos if video.name not in known]
    with ThreadPoolExecutor() as pool:  # FFmpeg works outside the interpreter's lock
        probed = pool.map(_probe_or_reason, (video.path for video in unknown))
        for video in videos:
            entry = known.get(video.name)
            if entry is None:
                yield video, next(probed)
            else:
                yield video, entry.problem or _Facts(entry.info, entry.content)


def _probe_or_reason(path: Path) -> _Facts | str:
    try:
        return _Facts(probe(path), None)
    except UnreadableVideo as error:
        return error.reason


def _nothing_left(config: DataConfig, skipped: list[Skipped], *, side: str) -> UserError:
    where = f"data={config.source.name}" + (f" data.path={config.path}" if config.path else "")
    listed = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:_NAMED_IN_ERROR])
    more = len(skipped) - _NAMED_IN_ERROR
    return UserError(
        f"{where} has no {side} video of {config.span_frames} frames or more "
        f"(data.clip_frames={config.clip_frames}, data.frame_stride={config.frame_stride}); "
        f"skipped {len(skipped)}: {listed}" + (f"; and {more} more" if more > 0 else "")
    )
