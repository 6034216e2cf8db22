"""Shards opened together: their samples, and the video of each as a file for a moment."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from odvae.data.shards.cache import MOMENTARY, ShardCache, digest
from odvae.data.shards.download import get_text
from odvae.data.shards.index import INDEX_NAME, Sample, ShardEntry, from_json, to_json
from odvae.data.shards.places import Place, find_places
from odvae.data.shards.tar import index_tar
from odvae.errors import UserError
from odvae.model.atomic import replacing

WRITTEN_FOLDER = ".written"  # the notes of odvae.shard beside the shards that it writes
_INDEXED_AT_ONCE = 4


@dataclass(frozen=True)
class Shard:
    """A shard, and those of its samples that are asked for."""

    place: Place
    entry: ShardEntry

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples asked for."""
        return self.entry.samples


@dataclass(frozen=True)
class ShardSet:
    """Some samples of some shards."""

    shards: tuple[Shard, ...]
    cache: ShardCache

    def __len__(self) -> int:
        return sum(len(shard.samples) for shard in self.shards)

    def select(self, wanted: Callable[[Sample], bool]) -> "ShardSet":
        """The same shards with fewer samples."""
        shards = tuple(
            replace(shard, entry=replace(shard.entry, samples=tuple(filter(wanted, shard.samples))))
            for shard in self.shards
        )
        return replace(self, shards=shards)

    def read(self, shard: Shard, sample: Sample) -> bytes:
        """The video file of a sample. Raises UserError if the shard cannot be had."""
        where = (shard.place, shard.entry)
        return self.cache.read(*where, offset=sample.offset, length=sample.length)

    @contextmanager
    def video(self, shard: Shard, sample: Sample) -> Iterator[Path]:
        """The same as a file with its own suffix, which is gone afterwards.

        So one code reads videos in shards and videos on disk, with the same frames as the result.
        """
        with tempfile.NamedTemporaryFile(prefix=MOMENTARY, suffix=sample.suffix) as file:
            file.write(self.read(shard, sample))
            file.flush()
            yield Path(file.name)

    @property
    def digest(self) -> str:
        """sha256 of what the set holds, wherever it lies."""
        whole = hashlib.sha256()
        for shard in self.shards:
            entry = shard.entry
            keys = [(s.key, s.offset, s.length, s.first_frame, s.frames) for s in entry.samples]
            whole.update(repr((entry.name, entry.bytes, entry.sha256, keys)).encode())
        return whole.hexdigest()


def open_shards(spec: str, cache: ShardCache) -> ShardSet:
    """Find shards and what they hold.

    Where ``index.json`` lies beside shards, they are what it says, and a folder's shards are those
    that it names. Others are indexed from their headers: local ones where they are, remote ones by
    fetching each once. The index is then kept in the cache.

    Args:
        spec: see :func:`odvae.data.shards.places.find_places`.

    Raises:
        UserError: a shard is missing, is not what its index says, or there is no sample at all.
    """
    places = find_places(spec)
    entries: dict[Place, ShardEntry] = {}
    for index, group in groupby(places, lambda place: place.beside(INDEX_NAME)):
        by_name = {entry.name: entry for entry in _read_index(index, cache)}
        here = list(group)
        if by_name and not index.is_remote and index.path.parent == Path(spec).expanduser():
            here = [index.beside(name) for name in by_name]
        entries |= {place: by_name[place.name] for place in here if place.name in by_name}
        entries |= _indexed([place for place in here if place.name not in by_name], cache)
    _check_sizes(entries)
    shards = ShardSet(tuple(Shard(place, entry) for place, entry in entries.items()), cache)
    if not len(shards):
        raise UserError(f"{spec}: the {len(entries)} shards hold no video")
    return shards


def _read_index(index: Place, cache: ShardCache) -> list[ShardEntry]:
    if index.is_remote:
        text = get_text(index.where, retry=cache.retry)
    elif index.path.is_file():
        text = index.path.read_text("utf-8")
    elif (index.path.parent / WRITTEN_FOLDER).exists():
        raise UserError(
            f"{index.path.parent} was not finished: give the odvae.shard command again first"
        )
    else:
        text = None
    return (from_json(text, where=index.where) or []) if text is not None else []


def _check_sizes(entries: dict[Place, ShardEntry]) -> None:
    """Tell at the door what a look at each local file tells."""
    for place, entry in entries.items():
        if place.is_remote:
            continue
        size_bytes = place.path.stat().st_size if place.path.is_file() else None
        if size_bytes != entry.bytes:
            found = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            raise UserError(f"shard {place} {found}; its index says {entry.bytes} bytes")


def _indexed(places: Sequence[Place], cache: ShardCache) -> dict[Place, ShardEntry]:
    """Entries of shards that nobody has described."""
    with ThreadPoolExecutor(_INDEXED_AT_ONCE) as pool:
        entries = list(pool.map(lambda place: _index_once(place, cache), places))
    return dict(zip(places, entries, strict=True))


def _index_once(place: Place, cache: ShardCache) -> ShardEntry:
    identity = place.where
    if not place.is_remote:
        state = place.path.stat()
        identity = f"{place.path.absolute()} {state.st_size} {state.st_mtime_ns}"
    kept = cache.folder / "indexes" / f"{digest(identity)}.json"
    if kept.is_file():
        entries = from_json(kept.read_text("utf-8"), where=str(kept))
        if entries is not None:
            return entries[0]
    with cache.open(place, None) as file:
        # What is fetched again later must be what was indexed; a local file's date says the same.
        sha256 = hashlib.file_digest(file, "sha256").hexdigest() if place.is_remote else None
        file.seek(0)
        entry = replace(index_tar(file, name=place.where, sha256=sha256), name=place.name)
    with replacing(kept) as new:
        new.write_text(to_json([entry]), "utf-8")
    return entry
