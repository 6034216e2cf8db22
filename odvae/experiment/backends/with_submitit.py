"""Jobs through submitit: on a Slurm cluster, or here in the same way."""

import json
import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from odvae.errors import UserError
from odvae.experiment.backends.attended import Attend, attended, fresh_start, order
from odvae.experiment.backends.local import command, surroundings
from odvae.experiment.backends.requeued import requeued
from odvae.experiment.launch import LaunchedJob
from odvae.experiment.launch_plan import Launcher, LaunchPlan

if TYPE_CHECKING:
    from submitit import Job

_FILES_ARRIVE_S = 15.0  # after the end of a job on another computer
_CLUSTERS = {Launcher.submitit_local: "local", Launcher.submitit_slurm: "slurm"}


class SubmititJobs:
    """Each job is one of the cluster's. Preempted or out of time, it is put into the queue again.

    Args:
        folder: for submitit's files; every node must see it.
        devices: GPUs of a job, where the plan does not say.

    Raises:
        UserError: submitit is not installed, or there is no Slurm.
    """

    def __init__(self, plan: LaunchPlan, *, folder: Path, devices: int) -> None:
        try:
            import submitit
        except ImportError as error:
            raise UserError(
                f"hydra/launcher={plan.launcher.value} needs submitit: pip install 'odvae[cluster]'"
            ) from error
        logging.getLogger("submitit").setLevel(logging.CRITICAL)  # what matters is said here
        self._plan, self._folder = plan, folder
        self._cluster = _CLUSTERS[plan.launcher]
        limit = {f"{self._cluster}_max_num_timeout": plan.max_requeues}
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=self._cluster, **limit)
        except RuntimeError as error:
            raise UserError(f"hydra/launcher={plan.launcher.value}: {error}") from error
        self._name = f"odvae-{folder.parent.name}"
        self._executor.update_parameters(**self._parameters(devices))
        on_slurm = plan.launcher is Launcher.submitit_slurm
        self.poll_s = 2.0 if on_slurm else 0.2
        self.outlives = f"scancel --name={self._name} ends them" if on_slurm else ""

    def _parameters(self, devices: int) -> dict[str, object]:
        """What submitit is told, by its names; None leaves a matter to Slurm."""
        plan = self._plan
        if plan.launcher is Launcher.submitit_local:  # GPUs are handed out by the launch
            return {"timeout_min": plan.timeout_min}
        return {
            "name": self._name,
            "timeout_min": plan.timeout_min,
            "cpus_per_task": plan.cpus_per_task,
            "gpus_per_node": devices if plan.gpus_per_node is None else plan.gpus_per_node,
            "mem_gb": plan.mem_gb,
            "slurm_partition": plan.partition,
            "slurm_account": plan.account,
            "slurm_qos": plan.qos,
            "slurm_constraint": plan.constraint,
            "slurm_signal_delay_s": plan.signal_delay_s,
            "slurm_additional_parameters": {"requeue": True},  # also where no signal comes first
        }

    def start(
        self,
        job: LaunchedJob,
        *,
        threads: int,
        gpus: Sequence[str],
        environment: Mapping[str, str],
    ) -> "SubmittedJob":
        if (earlier := self._still_there(job)) is not None:
            return earlier
        own = surroundings(threads=threads, gpus=gpus)
        if self._plan.launcher is Launcher.submitit_slurm:
            own = {"OMP_NUM_THREADS": str(self._plan.cpus_per_task)}
        orders = fresh_start(job)
        attend = attended(command(job), {**own, **environment}, log=job.log, orders=orders)
        submitted = self._submit(requeued(attend, job.log))
        if self._plan.launcher is Launcher.submitit_slurm:
            _record(job).write_text(
                json.dumps({"id": submitted.job_id, "overrides": list(job.overrides)})
            )
        return SubmittedJob(submitted, job.log, orders=None if self.outlives else orders)

    def _submit(self, work: Attend) -> "Job[int]":
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            with _deaf_to_ctrl_c():
                return self._executor.submit(work)
        except (FailedJobError, FailedSubmissionError) as error:
            words = str(error).strip().splitlines()
            reason = words[-1] if words else "sbatch failed"
            raise UserError(f"hydra/launcher={self._plan.launcher.value}: {reason}") from error

    def _still_there(self, job: LaunchedJob) -> "SubmittedJob | None":
        """The job of an earlier launch of the same sweep, if Slurm has not done with it."""
        if self._plan.launcher is not Launcher.submitit_slurm or not _record(job).is_file():
            return None
        from submitit import SlurmJob

        record = json.loads(_record(job).read_text())
        if record["overrides"] != list(job.overrides):
            return None
        known: Job[int] = SlurmJob(self._folder, record["id"])
        if known.done(force_check=True) or known.state == "UNKNOWN":
            return None
        return SubmittedJob(known, job.log, orders=None)


class SubmittedJob:
    """A job in submitit's hands.

    Args:
        orders: where its attendant finds signals; None: the cluster delivers them.
    """

    def __init__(self, job: "Job[int]", log: Path, *, orders: Path | None) -> None:
        self._job, self._log, self._orders = job, log, orders
        self._gone_since_s: float | None = None  # when it was first seen to have left no result

    def poll(self) -> int | None:
        if not self._job.done():
            return None
        if self._job.paths.result_pickle.exists():
            return self._result()
        now_s = time.monotonic()
        self._gone_since_s = now_s if self._gone_since_s is None else self._gone_since_s
        if now_s - self._gone_since_s < (_FILES_ARRIVE_S if self._orders is None else 0):
            return None
        return self._failed(f"it has left no result (state: {self._job.state})")

    def _result(self) -> int:
        from submitit.core.utils import UncompletedJobError

        try:
            return self._job.result()
        except UncompletedJobError as error:  # its attendant has not come to an end of its own
            return self._failed(str(error))

    def _failed(self, reason: str) -> int:
        with self._log.open("a") as log:
            log.write(f"{reason}\nsubmitit's job {self._job.job_id}: {reason.splitlines()[0]}\n")
        return 1

    def interrupt(self) -> None:
        if self._orders is None:
            self._job.cancel(check=False)
        else:
            order(self._orders, signal.SIGTERM)

    def kill(self) -> None:
        if self._orders is None:
            self._job.cancel(check=False)
        else:
            order(self._orders, signal.SIGKILL)
            self._job.wait()


def _record(job: LaunchedJob) -> Path:
    return job.status_file.with_suffix(".slurm")


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """For what is started within: Ctrl-C reaches this process, which passes it on once."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
