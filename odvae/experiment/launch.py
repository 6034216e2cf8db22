"""Run jobs side by side, each in a process of its own: what one does cannot touch another."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from odvae.experiment.progress import (
    PARENT_PID_VARIABLE,
    STATUS_FILE_VARIABLE,
    JobStatus,
    bars,
)

PARENT_RUN_VARIABLE = "ODVAE_PARENT_RUN"  # the sweep's run in the store
_MEMORY_PER_JOB_BYTES = 4 * 2**30  # beyond it, fewer jobs run at a time
_MAX_PARALLEL = 8
_POLL_S = 0.2
_PATIENCE_S = 20.0  # for an interrupted job to end by itself


@dataclass
class LaunchedJob:
    """A job of a sweep and how it went."""

    name: str
    overrides: Sequence[str]
    log: Path
    status_file: Path
    status: JobStatus = field(default_factory=JobStatus)
    returncode: int | None = None

    @property
    def last_words(self) -> str:
        """The last line that the job printed: what went wrong, if it failed."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    @property
    def ending(self) -> str:
        """How it failed."""
        if self.returncode is not None and self.returncode < 0:
            return f"ended by signal {-self.returncode}"
        return f"failed: {self.last_words}"


def parallel_jobs(jobs: int, *, devices: int = 1) -> int:
    """How many run at a time, with so many GPUs or processes each: as many as there is room for."""
    if torch.cuda.is_available():
        return max(1, min(jobs, torch.cuda.device_count() // devices))
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    by_memory = memory_bytes // _MEMORY_PER_JOB_BYTES
    return max(1, min(jobs, cores() // devices, by_memory // devices, _MAX_PARALLEL))


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def launch(
    jobs: Sequence[LaunchedJob],
    *,
    parallel: int,
    parent_id: str,
    console: Console,
    devices: int = 1,
) -> None:
    """Run the jobs, a few at a time, with so many GPUs each; fills in their status, exit code."""
    # From the whole number of jobs: a sweep that is run again computes with the same threads.
    threads = max(1, cores() // parallel)
    waiting = list(jobs)
    running: dict[int, tuple[LaunchedJob, subprocess.Popen[bytes]]] = {}  # by slot
    with bars(console) as display:
        lines = {slot: display.add_task("", total=None, visible=False) for slot in range(parallel)}
        total = display.add_task("sweep", total=len(jobs))
        try:
            while waiting or running:
                for slot in [s for s in lines if s not in running and waiting]:
                    job = waiting.pop(0)
                    gpus = _gpus(slot, devices)
                    started = _start(job, gpus, threads=threads, parent_id=parent_id)
                    running[slot] = job, started
                for slot, (job, process) in list(running.items()):
                    job.returncode = process.poll()  # first: its last words come before its end
                    job.status = JobStatus.read(job.status_file)
                    if job.returncode is not None:
                        del running[slot]
                        display.advance(total)
                        console.print(_ending(job), highlight=False)
                    display.update(
                        lines[slot],
                        description=escape(f"{job.name}: {job.status.stage}"),
                        completed=job.status.done,
                        total=job.status.total,
                        visible=slot in running,
                    )
                time.sleep(_POLL_S)
        finally:
            _interrupt([process for _, process in running.values()])


def _start(
    job: LaunchedJob, gpus: Sequence[str], *, threads: int, parent_id: str
) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        STATUS_FILE_VARIABLE: str(job.status_file),
        PARENT_PID_VARIABLE: str(os.getpid()),
        PARENT_RUN_VARIABLE: parent_id,
    }
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "odvae.run", *job.overrides],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
        )


def _interrupt(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ask jobs to stop, so that they close their runs in the store; insist after a while."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline_s = time.monotonic() + _PATIENCE_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _gpus(slot: int, devices: int) -> list[str]:
    """Names of the GPUs of a slot, of those that this process may hand out."""
    if not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    return [names[(slot * devices + i) % len(names)] for i in range(min(devices, len(names)))]


def _ending(job: LaunchedJob) -> str:
    name, log = escape(job.name), escape(str(job.log))
    if job.returncode == 0:
        was = "was already finished" if job.status.already_finished else "finished"
        return f"[green]{name}[/green]: {was}"
    return f"[red]{name}[/red]: {escape(job.ending)} (log: {log})"
