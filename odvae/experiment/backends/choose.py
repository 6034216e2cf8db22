"""From a plan to what starts jobs by it."""

from pathlib import Path

from odvae.experiment.backends.local import LocalProcesses
from odvae.experiment.backends.with_joblib import JoblibProcesses
from odvae.experiment.backends.with_ray import RayJobs
from odvae.experiment.backends.with_submitit import SubmititJobs
from odvae.experiment.launch import Backend
from odvae.experiment.launch_plan import Launcher, LaunchPlan
from odvae.experiment.resources import parallel_jobs


def make_backend(plan: LaunchPlan, *, folder: Path, devices: int) -> Backend:
    """What starts the jobs of a plan.

    Args:
        folder: for what it writes about them.
        devices: GPUs or processes of a job.

    Raises:
        UserError: a package or a program that it needs is not there.
    """
    match plan.launcher:
        case Launcher.local | Launcher.basic:
            return LocalProcesses()
        case Launcher.joblib:
            return JoblibProcesses()
        case Launcher.submitit_local | Launcher.submitit_slurm:
            return SubmititJobs(plan, folder=folder / "submitit", devices=devices)
        case Launcher.ray:
            return RayJobs(plan, devices=devices)


def jobs_at_a_time(plan: LaunchPlan, jobs: int, *, devices: int) -> int:
    """How many of so many jobs run at a time, with so many GPUs or processes each."""
    if plan.launcher is Launcher.basic:
        return 1
    if plan.parallel is not None:
        return plan.parallel
    if plan.launcher in (Launcher.submitit_slurm, Launcher.ray):  # the queue is theirs
        return jobs
    return parallel_jobs(jobs, devices=devices)
