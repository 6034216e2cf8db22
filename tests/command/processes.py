"""Looking at the processes of a sweep; needs Linux's /proc."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


def children(pid: int) -> Iterator[int]:
    """Processes whose parent is ``pid``; ends that come while we look are no matter."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if _fields(status)[1] == str(pid):
                yield int(status.parent.name)


def descendants(pid: int) -> Iterator[int]:
    """Its children, theirs, and so on."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def parent(pid: int) -> int:
    """Its parent."""
    return int(_fields(Path(f"/proc/{pid}/stat"))[1])


def words(pid: int) -> list[str]:
    """Its command line; empty once it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    with suppress(OSError):
        return _fields(Path(f"/proc/{pid}/stat"))[0] != "Z"
    return False


def wait(condition: Callable[[], bool], *, patience_s: float = 600) -> None:
    """Until something is so."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "the sweep does not get there"
        time.sleep(0.05)


def _fields(stat: Path) -> list[str]:
    """State, parent and so on: what follows the name."""
    return stat.read_text().rpartition(")")[2].split()
