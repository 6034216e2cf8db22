"""What lies on disk under a video: size and date, which tell a change, and sha256, the identity."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from odvae.data.frame_folder import frame_names


@dataclass(frozen=True)
class FileState:
    """Size in bytes and time of the last change; of a folder of frames, their sum and the latest.

    All zero for what is not there.
    """

    size_bytes: int
    mtime_ns: int


def video_state(path: Path) -> FileState:
    """The state of a video file or of a folder of frames, without reading it."""
    try:
        states = [file.stat() for file in _files(path)]
        if path.is_dir():  # its own date tells of frames that were renamed or taken away
            return FileState(
                sum(state.st_size for state in states),
                max(state.st_mtime_ns for state in (*states, path.stat())),
            )
        return FileState(states[0].st_size, states[0].st_mtime_ns)
    except OSError:
        return FileState(0, 0)


def video_sha256(path: Path) -> str:
    """sha256 of a file; of a folder of frames, that of its frames' names and sha256.

    Read once as long as the state stays the same.

    Raises:
        OSError: it cannot be read.
    """
    return _sha256(path, video_state(path))


@lru_cache(maxsize=2**14)
def _sha256(path: Path, _state: FileState) -> str:
    if not path.is_dir():
        return _file_sha256(path)
    lines = (f"{file.name} {_file_sha256(file)}\n" for file in _files(path))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _file_sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (path / name for name in frame_names(path))
    else:
        yield path
