"""Jobs as tasks of a Ray cluster."""

import logging
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odvae.errors import UserError
from odvae.experiment.backends.attended import attended, fresh_start, order
from odvae.experiment.backends.local import command
from odvae.experiment.launch import LaunchedJob
from odvae.experiment.launch_plan import LaunchPlan

if TYPE_CHECKING:
    from ray import ObjectRef

# What jobs need of this process's environment; Ray's workers have that of the cluster's start.
_TAKEN_ALONG = ("ODVAE_", "MLFLOW_", "PYTHONPATH")


class RayJobs:
    """Each job is a task that attends to a process of the job's own.

    So one that dies takes no worker of Ray's along; one whose node dies is run again elsewhere and
    resumes from its checkpoint. All end with the process that launched them.

    Args:
        devices: GPUs of a job, where the plan does not say and the cluster has some.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the plan's address.
    """

    poll_s = 0.5
    outlives = ""

    def __init__(self, plan: LaunchPlan, *, devices: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        try:
            import ray
        except ImportError as error:
            raise UserError("hydra/launcher=ray needs ray: pip install 'odvae[ray]'") from error
        try:
            if not ray.is_initialized():
                ray.init(plan.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            words = str(error).splitlines()[0]
            raise UserError(f"hydra.launcher.address={plan.address}: {words}") from error
        has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        default = devices if has_gpus else 0
        self._cpus = plan.cpus_per_task
        self._options = {
            "num_cpus": plan.cpus_per_task,
            "num_gpus": default if plan.gpus_per_node is None else plan.gpus_per_node,
            "max_retries": plan.max_requeues,
        }

    def start(
        self,
        job: LaunchedJob,
        *,
        threads: int,
        gpus: Sequence[str],
        environment: Mapping[str, str],
    ) -> "RayTask":
        import ray

        orders = fresh_start(job)
        own = {name: v for name, v in os.environ.items() if name.startswith(_TAKEN_ALONG)}
        own["OMP_NUM_THREADS"] = str(self._cpus)
        attend = attended(command(job), {**own, **environment}, log=job.log, orders=orders)
        return RayTask(ray.remote(**self._options)(attend).remote(), job.log, orders)


class RayTask:
    """A job that one of Ray's workers attends to."""

    def __init__(self, task: "ObjectRef[int]", log: Path, orders: Path) -> None:
        self._task, self._log, self._orders = task, log, orders

    def poll(self) -> int | None:
        import ray
        from ray.exceptions import RayError

        done, _ = ray.wait([self._task], timeout=0)
        if not done:
            return None
        try:
            return int(ray.get(self._task))
        except RayError as error:  # its attendant died, and died again when it was repeated
            with self._log.open("a") as log:
                log.write(f"{error}\nRay: {type(error).__name__}\n")
            return 1

    def interrupt(self) -> None:
        order(self._orders, signal.SIGTERM)

    def kill(self) -> None:
        import ray

        order(self._orders, signal.SIGKILL)
        ray.cancel(self._task, force=True)
