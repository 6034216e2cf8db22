"""Scan a source: decode every video once, in parallel, and keep what was found."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from odvae.data.config import DataConfig
from odvae.data.content import video_state
from odvae.data.listing import Listed
from odvae.data.ranges import Skipped
from odvae.data.scan_journal import ScanJournal
from odvae.data.scan_manifest import ScanEntry, ScanManifest, find_scan, scan_path
from odvae.data.scan_video import scan_video
from odvae.data.sources import list_source
from odvae.errors import UserError


@dataclass(frozen=True)
class Scan:
    """A finished scan.

    Attributes:
        path:     where the manifest lies.
        manifest: what was found.
        skipped:  what the source lists and has not.
        decoded:  how many videos were decoded now; what the others hold was known.
    """

    path: Path
    manifest: ScanManifest
    skipped: list[Skipped]
    decoded: int


def scan_source(
    config: DataConfig,
    *,
    cache: Path,
    jobs: int,
    full: bool = False,
    progress: Callable[[int, int], None],
) -> Scan:
    """Decode the videos of a source that are new or changed since its last scan, if any.

    However it ends, what was decoded is kept: the next scan goes on from there.

    Args:
        cache:    folder of the manifest, unless ``config.manifest`` names it.
        jobs:     videos at a time.
        full:     decode all videos, also those that are as they were.
        progress: told how many videos are done, of how many.

    Raises:
        UserError: the source cannot be listed, or another scan of it is at work.
    """
    path = scan_path(config, cache=cache)
    before = find_scan(config, cache=cache) if path.exists() else None
    listing = list_source(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(path.with_name(f".{path.name}.lock"), timeout=0),
            ScanJournal(path.with_name(f".{path.name}.journal")) as journal,
        ):
            if full:
                journal.forget()
            old = {entry.name: entry for entry in before.entries} if before and not full else {}
            entries = _unchanged(listing.videos, old | journal.entries)
            missing = [video for video in listing.videos if video.name not in entries]
            progress(len(entries), len(listing.videos))
            with closing(scan_videos(missing, jobs=jobs)) as scanned:
                for entry in scanned:
                    journal.add(entry)
                    entries[entry.name] = entry
                    progress(len(entries), len(listing.videos))
            manifest = ScanManifest(config.source, [entries[one.name] for one in listing.videos])
            manifest.write(path)
            journal.path.unlink()
    except Timeout as error:
        raise UserError(f"another scan writes {path}; wait for it") from error
    return Scan(path, manifest, listing.skipped, decoded=len(missing))


def scan_videos(videos: Sequence[Listed], *, jobs: int) -> Generator[ScanEntry]:
    """Scan videos in threads (FFmpeg works outside the interpreter's lock), in no certain order.

    Closing the iterator stops the threads.
    """
    stop = Event()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="scan")
    running: set[Future[ScanEntry]] = set()
    try:
        for video in videos:
            running.add(pool.submit(scan_video, video, stop=stop))
            if len(running) >= 2 * jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _unchanged(videos: list[Listed], known: dict[str, ScanEntry]) -> dict[str, ScanEntry]:
    """The entries of videos that could be read and are as they were, with today's labels."""
    found: dict[str, ScanEntry] = {}
    for video in videos:
        entry = known.get(video.name)
        if entry and entry.sha256 and entry.state == video_state(video.path):
            found[video.name] = replace(entry, label=video.label)
    return found
