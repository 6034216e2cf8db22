"""The jobs of a sweep as it stores them, so that what is missing can be told from what never was.

A job is known by its identity before it runs; the run that it becomes is in its status file, and,
once the sweep has ended, in the sweep's own list.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from odvae.errors import UserError
from odvae.experiment.launch import LaunchedJob
from odvae.tracking import RunLog, Store

_ARTIFACT = "jobs.json"


@dataclass(frozen=True)
class ListedJob:
    """A job in the list of its sweep."""

    name: str
    overrides: tuple[str, ...]
    digest: str  # of its identity; its files are named by it
    run_id: str | None = None  # in the store, as far as was known when the list was written

    def log(self, folder: Path) -> Path:
        """What it prints."""
        return folder / f"{self.digest}.log"

    def status_file(self, folder: Path) -> Path:
        """Where it says how far it is."""
        return folder / f"{self.digest}.json"

    def to_launch(self, folder: Path) -> LaunchedJob:
        """The job, to be started; its files go to the folder of its sweep."""
        return LaunchedJob(
            name=self.name,
            overrides=self.overrides,
            log=self.log(folder),
            status_file=self.status_file(folder),
        )


def list_jobs(
    overrides: Sequence[Sequence[str]], identities: Sequence[str], *, earlier: Sequence[ListedJob]
) -> list[ListedJob]:
    """The jobs of command lines, with the runs that they became when the sweep was run before."""
    known = {job.digest: job.run_id for job in earlier}
    digests = [hashlib.sha256(identity.encode()).hexdigest()[:12] for identity in identities]
    return [
        ListedJob(" ".join(line) or "default", tuple(line), digest, known.get(digest))
        for line, digest in zip(overrides, digests, strict=True)
    ]


def with_runs(listed: Sequence[ListedJob], jobs: Sequence[LaunchedJob]) -> list[ListedJob]:
    """The list, with the runs that its jobs have told."""
    return [
        replace(entry, run_id=job.status.run_id or entry.run_id)
        for entry, job in zip(listed, jobs, strict=True)
    ]


def store_jobs(log: RunLog, jobs: Sequence[ListedJob]) -> None:
    """Store the list with the run of its sweep, over an earlier one."""
    log.text(json.dumps([asdict(job) for job in jobs], indent=1), _ARTIFACT)


def stored_jobs(store: Store, sweep_id: str) -> list[ListedJob]:
    """The list of a sweep; empty where it was started before lists were stored."""
    try:
        listed = json.loads(store.artifact(sweep_id, _ARTIFACT).read_text())
    except UserError:
        return []
    return [ListedJob(**{**job, "overrides": tuple(job["overrides"])}) for job in listed]


@contextmanager
def working_on(folder: Path, console: Console) -> Iterator[None]:
    """Hold the lock of a sweep. The same sweep started twice: the second waits, then finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print("The same sweep runs elsewhere; waiting for its end.", highlight=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
