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

    If the block fails, what was at ``path`` stays there and the scraps are removed.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield scratch / path.name
        _move(scratch / path.name, path, aside=scratch / "old")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move(new: Path, path: Path, *, aside: Path) -> None:
    if path.is_dir():  # unlike a file, it cannot be replaced in one step
        os.replace(path, aside)
    try:
        os.replace(new, path)
    except OSError:
        if aside.is_dir():
            os.replace(aside, path)
        raise
