"""The folder for what comes from shards: fetched shards (bounded), indexes, extracted videos."""

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from threading import Lock

from filelock import FileLock

from odvae.data.shards.download import Retry, download
from odvae.data.shards.index import ShardEntry
from odvae.data.shards.places import Place
from odvae.errors import UserError
from odvae.hashing import file_sha256

_DEAD_AFTER_S = 3600.0  # nothing that is being written or read rests that long
MOMENTARY = "odvae-clip-"  # videos that are files for a moment only, in the system's own folder
_TRIES = 3  # at reading a shard that another process evicts meanwhile


class ShardCache:
    """Shards as local files; may be shared by threads, processes and machines.

    Remote shards are fetched whole, and the least recently used make room. Local shards are read
    where they are. Either is checked against its entry before its first use: a local one by its
    sha256 once and for all, which ``checked/`` remembers.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = 20 * 10**9, retry: Retry | None = None):
        self.folder = folder.absolute()
        self.limit_bytes = limit_bytes
        self.retry = retry or Retry()
        self._fetched = self.folder / "fetched"
        self._lock = Lock()  # guards what follows
        self._sound: set[Place] = set()
        for part in ("fetched", "checked", "indexes", "heldout"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        _sweep(Path(tempfile.gettempdir()))

    def read(self, place: Place, entry: ShardEntry, *, offset: int, length: int) -> bytes:
        """Bytes ``offset <= n < offset + length`` of a shard.

        Raises:
            UserError: the shard cannot be had, or is not the one of the entry.
        """
        with self.open(place, entry) as file:
            file.seek(offset)
            content = file.read(length)
        if len(content) != length:
            raise UserError(f"shard {place} shrank while it was read")
        return content

    def open(self, place: Place, entry: ShardEntry | None) -> BufferedReader:
        """A checked shard, open for reading: so it can be read on even when it is evicted.

        Args:
            entry: None for a shard that has no index yet.

        Raises:
            UserError: as :meth:`read`.
        """
        for _ in range(_TRIES):
            path = self._path(place, entry)
            try:
                return path.open("rb")
            except FileNotFoundError:  # evicted in between
                continue
        raise UserError(f"shard {place} went away {_TRIES} times before it could be read")

    def fetch_ahead(self, place: Place, entry: ShardEntry) -> None:
        """Have a remote shard here when it is asked for. Raises UserError as :meth:`read`."""
        if place.is_remote:
            self._fetch(place, entry)

    def _path(self, place: Place, entry: ShardEntry | None) -> Path:
        if place.is_remote:
            return self._fetch(place, entry)
        if entry is not None and not self._is_known_sound(place):
            self._check_local(place, entry)
            with self._lock:
                self._sound.add(place)
        return place.path

    def _is_known_sound(self, place: Place) -> bool:
        with self._lock:
            return place in self._sound

    def _check_local(self, place: Place, entry: ShardEntry) -> None:
        try:
            state = place.path.stat()
        except FileNotFoundError as error:
            raise UserError(f"shard {place}: no such file") from error
        if state.st_size != entry.bytes:
            raise UserError(
                f"shard {place} is not the one of its index: {state.st_size} bytes instead of "
                f"{entry.bytes}"
            )
        if entry.sha256 is None:
            return
        identity = f"{place.path.absolute()} {state.st_size} {state.st_mtime_ns} {entry.sha256}"
        mark = self.folder / "checked" / digest(identity)
        with FileLock(f"{mark}.lock"):  # one of several processes reads it
            if mark.exists():
                return
            if file_sha256(place.path) != entry.sha256:
                raise UserError(f"shard {place} is not the one of its index: sha256 differs")
            mark.touch()

    def _target(self, place: Place) -> Path:
        return self._fetched / f"{digest(place.where)}.tar"

    def _fetch(self, place: Place, entry: ShardEntry | None) -> Path:
        target = self._target(place)
        if self._used(target, entry):
            return target
        with FileLock(f"{target}.lock"):
            if self._used(target, entry):  # another has fetched it meanwhile
                return target
            part = target.with_suffix(".part")
            try:
                self._make_room(entry.bytes if entry else 0)
                download(
                    place.where,
                    part,
                    size_bytes=entry.bytes if entry else None,
                    sha256=entry.sha256 if entry else None,
                    retry=self.retry,
                )
                os.replace(part, target)
            except OSError as error:
                raise UserError(
                    f"shard {place} cannot be kept in {self._fetched}: {error.strerror}"
                ) from error
        self._make_room(0, keep=target)
        return target

    def _used(self, target: Path, entry: ShardEntry | None) -> bool:
        """Whether a fetched shard is here; it then counts as used now."""
        try:
            if entry is not None and target.stat().st_size != entry.bytes:
                return False  # the server had another one when it was fetched
            os.utime(target)
        except FileNotFoundError:
            return False
        return True

    def _make_room(self, need_bytes: int, *, keep: Path | None = None) -> None:
        """Remove the least recently used shards until so much more fits."""
        with FileLock(self._fetched / "room.lock"):
            now_s = time.time()
            files: list[tuple[float, int, Path]] = []
            for path in self._fetched.iterdir():
                try:
                    state = path.stat()
                except FileNotFoundError:
                    continue
                is_dead = path.suffix == ".part" and now_s - state.st_mtime > _DEAD_AFTER_S
                if is_dead:
                    path.unlink(missing_ok=True)
                elif path.suffix in (".tar", ".part"):
                    files.append((state.st_mtime, state.st_size, path))
            left_bytes = self.limit_bytes - need_bytes - sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if left_bytes >= 0:
                    return
                if path.suffix == ".tar" and path != keep:
                    path.unlink(missing_ok=True)
                    left_bytes += size


def _sweep(folder: Path) -> None:
    """Remove the momentary files that killed processes left."""
    for path in folder.glob(f"{MOMENTARY}*"):
        with suppress(OSError):  # of another user, or just gone
            if time.time() - path.stat().st_mtime > _DEAD_AFTER_S:
                path.unlink()


def digest(text: str) -> str:
    """A file name that depends on the text alone."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
