"""List the samples of a WebDataset tar from its headers; the videos themselves are not read."""

import json
import os
import tarfile
from io import BufferedReader
from pathlib import PurePosixPath

from odvae.data.shards.index import Sample, ShardEntry
from odvae.data.trees import VIDEO_SUFFIXES
from odvae.errors import UserError

_MOST_JSON_BYTES = 2**20  # a longer one describes something else than one video


def index_tar(file: BufferedReader, *, name: str, sha256: str | None = None) -> ShardEntry:
    """The entry of a shard.

    The files of a sample share their path up to the first dot of the name. A sample counts if one
    of its files is a video. Its ``.json`` is believed where it says which frames to use, as those
    of ``odvae.shard`` do; others may count otherwise.

    Args:
        file: a shard, from its start.
        name: what the entry and messages call the shard.

    Raises:
        UserError: not a whole, uncompressed tar.
    """
    videos: dict[str, tarfile.TarInfo] = {}
    described: dict[str, dict[str, object]] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                key = _key(member.name)
                suffix = PurePosixPath(member.name).suffix.lower()
                if not member.isreg() or member.issparse() or key is None:
                    continue
                if suffix in VIDEO_SUFFIXES:
                    videos.setdefault(key, member)
                elif suffix == ".json" and member.size <= _MOST_JSON_BYTES:
                    described[key] = _json(tar, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"shard {name} is not a whole uncompressed tar: {error}") from error
    samples = [_sample(key, video, described.get(key, {})) for key, video in videos.items()]
    return ShardEntry(name, file.seek(0, os.SEEK_END), sha256, tuple(samples))


def _key(member: str) -> str | None:
    """What the files of a sample have in common; None for hidden files and the like."""
    path = PurePosixPath(member)
    stem, dot, _ = path.name.partition(".")
    return (path.parent / stem).as_posix() if stem and dot else None


def _json(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, object]:
    file = tar.extractfile(member)
    assert file is not None, member.name  # it is a regular file
    try:
        content = json.loads(file.read())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _sample(key: str, video: tarfile.TarInfo, told: dict[str, object]) -> Sample:
    if "first_frame" not in told:
        told = {}
    fps = told.get("fps")
    return Sample(
        key=key,
        suffix=PurePosixPath(video.name).suffix.lower(),
        offset=video.offset_data,
        length=video.size,
        first_frame=_count(told.get("first_frame")) or 0,
        frames=_count(told.get("frames")),
        fps=float(fps) if isinstance(fps, int | float) else None,
        height=_count(told.get("height")),
        width=_count(told.get("width")),
    )


def _count(told: object) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None
