"""Write videos as shards. What is finished stays, so a killed writer goes on where it was."""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from odvae.data.index import UnreadableVideo
from odvae.data.ranges import Skipped, VideoRange
from odvae.data.shards.collection import WRITTEN_FOLDER
from odvae.data.shards.index import INDEX_NAME, ShardEntry, from_json, to_json
from odvae.data.shards.packing import Planned, Reencode, add_sample, plan
from odvae.data.shards.tar import index_tar
from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.model.atomic import replacing

_JOB_NAME = "job.json"  # what is being written, in the folder of notes


@dataclass
class Written:
    """What a folder of shards holds now."""

    shards: int = 0
    samples: int = 0
    seconds: float = 0.0
    bytes: int = 0
    kept_shards: int = 0  # of ``shards``: written before, and found to be sound
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class _Note:
    """One finished shard: its entry and which part of the plan went into it."""

    entry: ShardEntry
    first: int  # of the plan
    end: int
    skipped: list[Skipped]


class ShardWriter:
    """Writes videos into a folder as ``000000.tar``, ``000001.tar``, ... and ``index.json``.

    Shards appear whole or not at all. Notes in ``.written/`` say what is finished.
    """

    def __init__(
        self, folder: Path, videos: list[VideoRange], *, shard_bytes: int, reencode: Reencode
    ) -> None:
        if shard_bytes < 1:
            raise ValueError(f"shards must have a positive size, got {shard_bytes} bytes")
        self._folder = folder
        self._notes = folder / WRITTEN_FOLDER
        self._plan = plan(videos)
        self._shard_bytes = shard_bytes
        self._reencode = reencode

    def check(self) -> None:
        """Raises UserError if the folder holds anything but earlier work on these very shards."""
        job = self._notes / _JOB_NAME
        if job.is_file():
            if job.read_text("utf-8") != self._job():
                raise UserError(
                    f"{self._folder} holds shards of other videos or settings; "
                    "name another folder or remove it"
                )
        elif self._folder.is_dir() and any(self._folder.iterdir()):
            raise UserError(f"{self._folder} holds something else; name a new or empty folder")

    def write(self, *, done: Callable[[int], None] = lambda _: None) -> Written:
        """Write what is missing.

        Args:
            done: called with the number of videos dealt with so far.

        Raises:
            UserError: the folder holds something else, or a finished shard has changed.
        """
        self.check()
        self._notes.mkdir(parents=True, exist_ok=True)
        _replace(self._notes / _JOB_NAME, self._job())
        written = Written()
        entries: list[ShardEntry] = []
        first = 0
        while first < len(self._plan):
            note = self._finished(len(entries), first)
            if note is None:
                note = self._write_shard(len(entries), first, done)
            else:
                written.kept_shards += 1
            if note.entry.samples:  # else only unreadable videos were left
                entries.append(note.entry)
            written.skipped += note.skipped
            first = note.end
            done(first)
        _replace(self._folder / INDEX_NAME, to_json(entries))
        samples = [sample for entry in entries for sample in entry.samples]
        written.shards, written.samples = len(entries), len(samples)
        written.bytes = sum(entry.bytes for entry in entries)
        written.seconds = sum((s.frames or 0) / (s.fps or 1) for s in samples)
        return written

    def _job(self) -> str:
        videos = hashlib.sha256()
        for one in self._plan:
            videos.update(f"{one.key} {one.video.size_bytes}\n".encode())
        job = {
            "videos": len(self._plan),
            "digest": videos.hexdigest(),
            "shard_bytes": self._shard_bytes,
            "reencode": self._reencode.value,
        }
        return json.dumps(job, indent=1)

    def _finished(self, number: int, first: int) -> _Note | None:
        """The note of a shard that is there and as it was written."""
        path, noted = self._folder / _name(number), self._note_path(number)
        note = _read_note(noted) if noted.is_file() else None
        if note is None:
            if path.exists():
                raise UserError(f"{path} is not of this work; nothing is overwritten")
            return None
        if note.first != first or (note.entry.samples and not path.is_file()):
            return None
        if note.entry.samples and file_sha256(path) != note.entry.sha256:
            raise UserError(f"{path} has changed; remove it and the same command writes it again")
        return note

    def _write_shard(self, number: int, first: int, done: Callable[[int], None]) -> _Note:
        path = self._folder / _name(number)
        part = self._notes / f"{_name(number)}.part"
        skipped: list[Skipped] = []
        end = first
        with tarfile.open(part, "w:") as tar:
            for one in self._upcoming(tar, first):
                try:
                    add_sample(tar, one, self._reencode, scratch=self._notes)
                except UnreadableVideo as error:
                    skipped.append(Skipped(one.video.name, error.reason))
                end += 1
                done(end)
        with part.open("rb") as file:
            os.fsync(file.fileno())
            entry = index_tar(file, name=path.name, sha256=file_sha256(part))
        note = _Note(entry, first, end, skipped)
        # The note goes first: a shard without one would be taken for somebody else's.
        _replace(self._note_path(number), _note_text(note))
        if entry.samples:
            os.replace(part, path)
        part.unlink(missing_ok=True)
        return note

    def _upcoming(self, tar: tarfile.TarFile, first: int) -> Iterator[Planned]:
        """Videos for a shard until it is full."""
        for one in self._plan[first:]:
            if tar.offset >= self._shard_bytes:
                return
            yield one

    def _note_path(self, number: int) -> Path:
        return self._notes / f"{_name(number)}.json"


def _name(number: int) -> str:
    return f"{number:06d}.tar"


def _replace(path: Path, text: str) -> None:
    with replacing(path) as new:
        new.write_text(text, "utf-8")


def _note_text(note: _Note) -> str:
    head = {"first": note.first, "end": note.end, "skipped": [asdict(s) for s in note.skipped]}
    return json.dumps(head) + "\n" + to_json([note.entry])


def _read_note(path: Path) -> _Note:
    head, _, entry = path.read_text("utf-8").partition("\n")
    told = json.loads(head)
    entries = from_json(entry, where=str(path))
    assert entries is not None, path  # written by us, whole
    skipped = [Skipped(**one) for one in told["skipped"]]
    return _Note(entries[0], told["first"], told["end"], skipped)
