"""Writing all or nothing: a reader never sees half of a file or of a folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a place beside ``path`` to write a file or a folder to, which then takes its place.

    If the block fails or is interrupted, what was at ``path`` stays there and the scraps are
    removed. A process that is killed outright leaves its scraps, a hidden folder beside ``path``.
    Then a file at ``path`` is the old one or the new one. A folder is likewise, except between
    the two renames that replacing one takes: a kill there leaves nothing at ``path``, and both
    the old folder (as ``old``) and the new one whole among the scraps. Nothing is promised about
    a loss of power.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield scratch / path.name
        _move(scratch / path.name, path, aside=scratch / "old")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(new: Path, path: Path, *, aside: Path) -> None:
    try:
        if path.is_dir():  # unlike a file, it cannot be replaced in one step
            os.replace(path, aside)
        os.replace(new, path)
    finally:
        if os.path.lexists(aside) and not os.path.lexists(path):
            os.replace(aside, path)
