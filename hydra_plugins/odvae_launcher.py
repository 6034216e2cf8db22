"""Hydra's plugin for ``hydra/launcher=...``: compose the jobs of a sweep, and run none of them.

The command does that once Hydra has returned, when it has checked them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write


@dataclass
class BasicLauncherConfig:
    """Jobs run on this machine one after the other, each in a process of its own."""

    # Hydra finds its plugins by this name; nothing of odvae's own configuration names code.
    _target_: str = "hydra_plugins.odvae_launcher.ComposingLauncher"


@dataclass
class LocalLauncherConfig(BasicLauncherConfig):
    """Jobs run on this machine side by side, each in a process of its own."""

    parallel: int | None = None  # jobs at a time; None: as many as GPUs, or cores and memory, carry


@dataclass
class SubmititLocalConfig(LocalLauncherConfig):
    """Jobs run on this machine under submitit, as they would on a cluster."""

    timeout_min: int = 720
    max_requeues: int = 10  # of a job whose time is up


@dataclass
class SubmititSlurmConfig(SubmititLocalConfig):
    """Jobs are Slurm's. parallel: None hands over all of them at once."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus_per_node: int | None = None  # None: as many as the jobs' trainer.devices
    cpus_per_task: int = 8
    mem_gb: int | None = None
    signal_delay_s: int = 90  # from Slurm's warning to the end


@dataclass
class RayConfig(LocalLauncherConfig):
    """Jobs are tasks of a Ray cluster. parallel: None hands over all of them at once."""

    address: str | None = None  # None: the cluster that RAY_ADDRESS names, or one on this machine
    gpus_per_node: int | None = None  # None: as many as the jobs' trainer.devices
    cpus_per_task: int = 1
    max_requeues: int = 10  # of a job whose node died


LAUNCHERS = {
    "local": LocalLauncherConfig,
    "basic": BasicLauncherConfig,
    "joblib": LocalLauncherConfig,
    "submitit_local": SubmititLocalConfig,
    "submitit_slurm": SubmititSlurmConfig,
    "ray": RayConfig,
}


def register() -> None:
    """Give Hydra the launchers, over others of these names that it may have found."""
    for name, config in LAUNCHERS.items():
        ConfigStore.instance().store(group="hydra/launcher", name=name, node=config)


register()


class ComposingLauncher(Launcher):
    """Hands every job of a sweep to the task function."""

    def __init__(self, **_: object) -> None:
        """Hydra hands over the launcher's fields; they are for whoever starts the jobs."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before ``launch``."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Compose every job; the task function finds Hydra's part of it in ``HydraConfig``."""
        loader = self.hydra_context.config_loader
        for overrides in job_overrides:
            composed = loader.load_sweep_config(self.config, list(overrides))
            HydraConfig.instance().set_config(composed)
            with read_write(composed), open_dict(composed):
                del composed["hydra"]
            self.task_function(composed)
        done = JobReturn(status=JobStatus.COMPLETED)
        done.return_value = None
        return [done for _ in job_overrides]
