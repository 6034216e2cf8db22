"""Jobs as processes of this computer."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from odvae.experiment.launch import LaunchedJob
from odvae.experiment.progress import PARENT_PID_VARIABLE


def command(job: LaunchedJob) -> list[str]:
    """What starts a job, wherever it runs."""
    return [sys.executable, "-m", "odvae.run", *job.overrides]


def surroundings(*, threads: int, gpus: Sequence[str]) -> dict[str, str]:
    """A job's part of this computer, as variables of its environment."""
    part = {"OMP_NUM_THREADS": str(threads)}
    if gpus:
        part["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return part


class LocalProcesses:
    """Each job is a process of its own; all end with the process that launched them."""

    poll_s = 0.2
    outlives = ""

    def start(
        self,
        job: LaunchedJob,
        *,
        threads: int,
        gpus: Sequence[str],
        environment: Mapping[str, str],
    ) -> "LocalProcess":
        own = surroundings(threads=threads, gpus=gpus)
        own[PARENT_PID_VARIABLE] = str(os.getpid())
        with job.log.open("wb") as log:
            process = subprocess.Popen(
                command(job),
                env={**os.environ, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
            )
        return LocalProcess(process)


class LocalProcess:
    """A job of this computer."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def poll(self) -> int | None:
        return self._process.poll()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
