"""The identity of files: their sha256."""

import hashlib
from functools import cache
from pathlib import Path


def file_sha256(path: Path) -> str:
    """sha256 of a file, in hexadecimal; read once as long as its size and date stay the same."""
    state = path.stat()
    return _sha256(path, state.st_size, state.st_mtime_ns)


@cache
def _sha256(path: Path, _size_bytes: int, _modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
