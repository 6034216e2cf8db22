"""Runs that the store shows as running although their process has died: their lock is free."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from odvae.tracking import LoggedRun, Status, Store

_RUNNING = "RUNNING"
_DIED = "its process has died"


def sweep_folder(output: Path, key: str) -> Path:
    """Where a sweep keeps its lock, and the logs and statuses of its jobs."""
    return output / "logs" / key[:8]


def lock_of(run: LoggedRun, output: Path) -> Path:
    """The lock that the process of a run, or of a sweep, holds while it works."""
    key = run.tags.get("odvae.key", "")
    if run.tags.get("odvae.kind") == "sweep":
        return sweep_folder(output, key) / "lock"
    return output / "runs" / key[:12] / "lock"


def is_abandoned(store: Store, run: LoggedRun, output: Path) -> bool:
    """Whether a run is shown as running and no process works on it.

    A run without a lock in this output folder, one of another computer, is not judged.
    """
    if run.status != _RUNNING:
        return False
    with _taken(lock_of(run, output)) as is_free:
        return is_free and store.get(run.run_id).status == _RUNNING


def close_abandoned(store: Store, output: Path) -> list[LoggedRun]:
    """Mark all runs of dead processes as killed; returns them."""
    return [
        run for run in store.runs() if close(store, run, output, status=Status.KILLED, reason=_DIED)
    ]


def close(store: Store, run: LoggedRun, output: Path, *, status: Status, reason: str) -> bool:
    """Mark a run as ended if it is abandoned; returns whether it was."""
    if run.status != _RUNNING:
        return False
    with _taken(lock_of(run, output)) as is_free:  # nobody takes it up meanwhile
        if not is_free or store.get(run.run_id).status != _RUNNING:
            return False
        log = store.resume(run.run_id)
        log.tags({"error": reason})
        log.finish(status)
        return True


@contextmanager
def _taken(lock: Path) -> Iterator[bool]:
    """Hold a lock that exists and is free; gives whether it was so."""
    held = FileLock(lock, timeout=0)
    try:
        is_free = lock.is_file()
        if is_free:
            held.acquire()
    except (Timeout, OSError):  # held by another process, or not to be written to
        is_free = False
    try:
        yield is_free
    finally:
        held.release()
