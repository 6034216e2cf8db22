"""What a shard holds and where in it: the entries of ``index.json`` beside the shards."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from odvae.data.trees import VIDEO_SUFFIXES
from odvae.errors import UserError

INDEX_NAME = "index.json"
FORMAT = "odvae-shards-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One video of a shard.

    Attributes:
        key:         its name in the shard, without what follows the first dot.
        suffix:      of the video, with the dot.
        offset:      bytes of the shard before the video's.
        length:      bytes of the video.
        first_frame: the first frame that may be used.
        frames:      how many may be used from there on; None: all, not counted yet.
        fps:         frames per second, None as ``frames``; so are height and width, in px.
    """

    key: str
    suffix: str
    offset: int
    length: int
    first_frame: int = 0
    frames: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None


@dataclass(frozen=True)
class ShardEntry:
    """One shard: file name, size, hash (None: never computed) and its samples by offset."""

    name: str
    bytes: int
    sha256: str | None
    samples: tuple[Sample, ...]


def to_json(entries: Iterable[ShardEntry]) -> str:
    """The text of an ``index.json``, one sample a line."""
    return "\n".join(['{"format": "' + FORMAT + '", "shards": [', *_lines(entries), "]}", ""])


def _lines(entries: Iterable[ShardEntry]) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        head = {"name": entry.name, "bytes": entry.bytes, "sha256": entry.sha256}
        samples = ",\n  ".join(json.dumps(asdict(sample)) for sample in entry.samples)
        lines.append(json.dumps(head)[:-1] + ', "samples": [\n  ' + samples + "]}")
    return [line + "," for line in lines[:-1]] + lines[-1:]


def from_json(text: str, *, where: str) -> list[ShardEntry] | None:
    """Inverse of :func:`to_json`; None for JSON that is not an index of ours.

    Args:
        where: the file, for messages.

    Raises:
        UserError: no JSON, or an index of ours that cannot be right.
    """
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            return None
        entries = [
            ShardEntry(
                shard["name"],
                shard["bytes"],
                shard["sha256"],
                tuple(Sample(**sample) for sample in shard["samples"]),
            )
            for shard in content["shards"]
        ]
        for entry in entries:
            _check(entry)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{where} is not a sound index of shards: {error}") from error
    return entries


def _check(entry: ShardEntry) -> None:
    for sample in entry.samples:
        if not 0 <= sample.offset <= sample.offset + sample.length <= entry.bytes:
            raise ValueError(f"{sample.key} lies outside of {entry.name}")
        if sample.suffix not in VIDEO_SUFFIXES:  # part of the name of a file when extracted
            raise ValueError(f"{sample.key} has the suffix {sample.suffix!r}")
        if sample.first_frame < 0 or (sample.frames is not None and sample.frames < 0):
            raise ValueError(f"{sample.key} has no such frames")
