"""A job's process under the eyes of another one than that which launched it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from odvae.experiment.launch import LaunchedJob
from odvae.experiment.progress import PARENT_PID_VARIABLE

Attend = Callable[[], int]  # runs a job; returns its exit code, negative for a signal

_LOOK_S = 0.3
_PATIENCE_S = 20.0  # for a job to close its run in the store


def attended(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    log: Path,
    orders: Path,
    launcher: int | None = None,
) -> Attend:
    """What starts a job and stays with it; to be called in another process.

    The job works in the folder in which this is called and ends with the process that attends to
    it. Its death touches no other: what it uses is its own.

    Args:
        environment: variables on top of those of the process in which this is called.
        log: what the job prints is added to it.
        orders: signals for the job are written here, by ``order``.
        launcher: the job also ends when this process is no longer the parent of its attendant.
    """
    words, own, parent_variable = list(command), dict(environment), PARENT_PID_VARIABLE
    folder, look_s, patience_s = Path.cwd(), _LOOK_S, _PATIENCE_S

    # Defined here, it is pickled by value: its process imports nothing of odvae, thus no torch.
    def attend() -> int:
        with (folder / log).open("ab") as out:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env={**os.environ, **own, parent_variable: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it gets the signals that are sent to it from here
            )
        given = ""
        try:
            while process.poll() is None:
                order = (folder / orders).read_text() if (folder / orders).is_file() else given
                if order and order != given:
                    process.send_signal(int(order))
                    given = order
                if launcher is not None and os.getppid() != launcher:
                    break
                time.sleep(look_s)
        finally:  # also when a signal ends this process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    process.kill()
        return process.wait()

    return attend


def fresh_start(job: LaunchedJob) -> Path:
    """Empty a job's log and forget orders of an earlier start; returns where orders are written."""
    job.log.write_bytes(b"")
    orders = job.status_file.with_suffix(".orders")
    orders.unlink(missing_ok=True)
    return orders


def order(orders: Path, sent: signal.Signals) -> None:
    """Have a job sent a signal by its attendant."""
    part = orders.with_suffix(".new")
    part.write_text(str(sent.value))
    os.replace(part, orders)
