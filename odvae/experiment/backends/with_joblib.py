"""Jobs under processes of joblib's executor, loky."""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from odvae.errors import UserError
from odvae.experiment.backends.attended import attended, fresh_start, order
from odvae.experiment.backends.local import command, surroundings
from odvae.experiment.launch import LaunchedJob

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from joblib.externals.loky import ProcessPoolExecutor


class JoblibProcesses:
    """Each job has an executor of one process, so that none waits for or breaks with another.

    Raises:
        UserError: joblib is not installed.
    """

    poll_s = 0.2
    outlives = ""

    def __init__(self) -> None:
        try:
            import joblib  # noqa: F401
        except ImportError as error:
            raise UserError(
                "hydra/launcher=joblib needs joblib: pip install 'odvae[cluster]'"
            ) from error

    def start(
        self,
        job: LaunchedJob,
        *,
        threads: int,
        gpus: Sequence[str],
        environment: Mapping[str, str],
    ) -> "JoblibProcess":
        from joblib.externals.loky import ProcessPoolExecutor

        orders = fresh_start(job)
        attend = attended(
            command(job),
            {**surroundings(threads=threads, gpus=gpus), **environment},
            log=job.log,
            orders=orders,
            launcher=os.getpid(),
        )
        # Not in the terminal's group: Ctrl-C reaches this process, which passes it on once.
        executor = ProcessPoolExecutor(max_workers=1, initializer=os.setsid)
        return JoblibProcess(executor, executor.submit(attend), orders)


class JoblibProcess:
    """A job that a process of joblib's attends to."""

    def __init__(
        self, executor: "ProcessPoolExecutor", future: "Future[int]", orders: "Path"
    ) -> None:
        self._executor, self._future, self._orders = executor, future, orders

    def poll(self) -> int | None:
        if not self._future.done():
            return None
        self._executor.shutdown(wait=False)
        # An attendant that was killed itself takes its job along.
        return -signal.SIGKILL if self._future.exception() else self._future.result()

    def interrupt(self) -> None:
        order(self._orders, signal.SIGTERM)

    def kill(self) -> None:
        order(self._orders, signal.SIGKILL)
        self._future.exception()  # waits
