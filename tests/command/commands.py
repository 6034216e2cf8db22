"""The command, run in this process (fast) or in one of its own (as a person runs it)."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from odvae.experiment.launch import PARENT_RUN_VARIABLE, Backend, JobSource
from odvae.experiment.progress import STATUS_FILE_VARIABLE, JobStatus
from odvae.run import main

# Seconds a run: small clips, and no network that looks for the weights of a metric.
QUICK = (
    "preset=smoke",
    "metrics.protocol.lpips=[]",
    "metrics.protocol.frechet=[]",
    "losses.lpips_weight=0",
)


@dataclass(frozen=True)
class Ran:
    """How the command ended and what it said."""

    code: int
    out: str
    err: str


def run_here(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
    """Run the command in this process, ``folder`` being the current one."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in _foreign():
            patch.delenv(name)
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["odvae", *arguments])
        patch.chdir(folder)
        code = main()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return Ran(code, out.getvalue(), err.getvalue())


def launch_here(
    source: JobSource,
    *,
    backend: Backend,
    parallel: int,
    parent_id: str,
    console: Console,
    devices: int = 1,
) -> None:
    """Run the jobs of a sweep one after the other in this process: saves their start."""
    while (job := source.next()) is not None:
        environment = {STATUS_FILE_VARIABLE: str(job.status_file), PARENT_RUN_VARIABLE: parent_id}
        job.returncode = run_here(Path.cwd(), *job.overrides, environment=environment).code
        job.status = JobStatus.read(job.status_file)
        source.ended(job)


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command in a process and a session of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in _foreign()}
    return subprocess.Popen(
        [sys.executable, "-m", "odvae.run", *arguments],
        cwd=folder,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_alone(folder: Path, *arguments: str) -> Ran:
    """Run the command in a process of its own."""
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=600)
    return Ran(process.returncode, out, err)


def _foreign() -> list[str]:
    """Variables of this process's environment that change what the command does."""
    return [name for name in os.environ if name.startswith(("ODVAE_", "MLFLOW_TRACKING"))]
