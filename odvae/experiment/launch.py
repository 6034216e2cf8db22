"""Run jobs side by side, each in a process of its own: what one does cannot touch another."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bars
from rich.progress import TaskID

from odvae.experiment.progress import STATUS_FILE_VARIABLE, JobStatus, bars
from odvae.experiment.resources import GpuQueue, cores, visible_gpus

PARENT_RUN_VARIABLE = "ODVAE_PARENT_RUN"  # the sweep's run in the store
_PATIENCE_S = 20.0  # for an interrupted job to end by itself


@dataclass
class LaunchedJob:
    """A job of a sweep and how it went."""

    name: str
    overrides: Sequence[str]
    log: Path
    status_file: Path
    status: JobStatus = field(default_factory=JobStatus)
    returncode: int | None = None  # None: it has not ended; negative: the signal that ended it
    stopped: bool = False  # its source had it interrupted

    @property
    def last_words(self) -> str:
        """The last line that the job printed: what went wrong, if it failed."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self._spoke else []
        return lines[-1] if lines else "it said nothing"

    @property
    def ending(self) -> str:
        """How it failed."""
        if self.stopped:
            return "stopped early"
        if self.returncode is not None and self.returncode < 0:
            return f"ended by signal {-self.returncode}"
        return f"failed: {self.last_words}"

    @property
    def _spoke(self) -> bool:
        return self.log.is_file()


class JobSource(Protocol):
    """Where jobs come from: a list, or whoever decides on the next by what the last ones gave."""

    @property
    def total(self) -> int:
        """How many there will be, as far as is known."""

    def next(self) -> LaunchedJob | None:
        """The job to start now; None: none at present."""

    def is_exhausted(self) -> bool:
        """Whether nothing will come any more."""

    def watch(self, job: LaunchedJob) -> bool:
        """Called while a job runs, each time its status was read; True interrupts it."""

    def ended(self, job: LaunchedJob) -> None:
        """Called once a job has ended; its status and exit code are filled in."""


class FixedJobs:
    """Jobs of a list, in its order."""

    def __init__(self, jobs: Sequence[LaunchedJob]) -> None:
        self.total = len(jobs)
        self._waiting = list(jobs)

    def next(self) -> LaunchedJob | None:
        return self._waiting.pop(0) if self._waiting else None

    def is_exhausted(self) -> bool:
        return not self._waiting

    def watch(self, job: LaunchedJob) -> bool:
        return False

    def ended(self, job: LaunchedJob) -> None:
        pass


class Started(Protocol):
    """A job that was started."""

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None while it has not ended."""

    def interrupt(self) -> None:
        """Ask it to stop, so that it closes its run in the store."""

    def kill(self) -> None:
        """End it at once; returns when it has ended."""


class Backend(Protocol):
    """What starts jobs and ends them, here or on a cluster."""

    @property
    def poll_s(self) -> float:
        """How often to look at jobs."""

    @property
    def outlives(self) -> str:
        """Empty where jobs end with the process that launched them; else how to end those left."""

    def start(
        self,
        job: LaunchedJob,
        *,
        threads: int,
        gpus: Sequence[str],
        environment: Mapping[str, str],
    ) -> Started:
        """Start a job; what it prints goes to its log.

        Args:
            threads, gpus: its part of this computer, for what runs on it. No GPUs: as it likes.
            environment: variables that it gets on top of those of this process.
        """


def launch(
    source: JobSource,
    *,
    backend: Backend,
    parallel: int,
    parent_id: str,
    console: Console,
    devices: int = 1,
) -> None:
    """Run jobs, a few at a time, with so many GPUs each; fills in their status and exit code.

    Args:
        parallel: jobs at a time.
        parent_id: their parent's run in the store.
    """
    # From the number at a time: a sweep that is run again computes with the same threads.
    threads = max(1, cores() // parallel)
    gpus = GpuQueue(visible_gpus())
    running: list[_Running] = []
    with bars(console) as display:
        total = display.add_task("sweep", total=source.total)
        try:
            while running or not source.is_exhausted():
                while len(running) < parallel and (job := source.next()) is not None:
                    own = gpus.take(devices)
                    told = {STATUS_FILE_VARIABLE: str(job.status_file)}
                    told[PARENT_RUN_VARIABLE] = parent_id
                    job.log.parent.mkdir(parents=True, exist_ok=True)
                    job.status_file.unlink(missing_ok=True)  # of an earlier try
                    started = backend.start(job, threads=threads, gpus=own, environment=told)
                    running.append(_Running(job, started, own, display.add_task("", total=None)))
                for each in [one for one in running if one.has_ended(source, display)]:
                    running.remove(each)
                    gpus.give_back(each.gpus)
                    source.ended(each.job)
                    display.update(total, advance=1, total=source.total)
                    console.print(_ending(each.job), highlight=False)
                time.sleep(backend.poll_s)
        finally:
            if not backend.outlives:
                _interrupt([each.started for each in running])
            elif running:
                console.print(f"{len(running)} jobs go on; {backend.outlives}", highlight=False)


@dataclass
class _Running:
    """A job at work, and its line on the screen."""

    job: LaunchedJob
    started: Started
    gpus: list[str]
    line: TaskID
    patience_ends_s: float | None = None  # once it was interrupted

    def has_ended(self, source: JobSource, display: Bars) -> bool:
        """Look at the job, and stop it if its source wants that."""
        job = self.job
        job.returncode = self.started.poll()  # first: its last words come before its end
        job.status = JobStatus.read(job.status_file)
        if job.returncode is not None:
            if job.returncode != 0:
                job.status.ending, job.status.by_signal = job.ending, job.returncode < 0
                job.status.write(job.status_file)
            display.remove_task(self.line)
            return True
        if self.patience_ends_s is None:
            if source.watch(job):
                job.stopped = True
                self.patience_ends_s = time.monotonic() + _PATIENCE_S
                self.started.interrupt()
        elif time.monotonic() > self.patience_ends_s:
            self.started.kill()
        display.update(
            self.line,
            description=escape(f"{job.name}: {job.status.stage}"),
            completed=job.status.done,
            total=job.status.total,
        )
        return False


def _interrupt(started: Sequence[Started]) -> None:
    """Ask jobs to stop, so that they close their runs in the store; insist after a while."""
    for each in started:
        each.interrupt()
    deadline_s = time.monotonic() + _PATIENCE_S
    for each in started:
        while each.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.05)
        if each.poll() is None:
            each.kill()


def _ending(job: LaunchedJob) -> str:
    name, log = escape(job.name), escape(str(job.log))
    if job.returncode == 0:
        was = "was already finished" if job.status.already_finished else "finished"
        return f"[green]{name}[/green]: {was}"
    if job.stopped:
        return f"[yellow]{name}[/yellow]: {job.ending}"
    return f"[red]{name}[/red]: {escape(job.ending)} (log: {log})"
