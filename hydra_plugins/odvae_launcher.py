"""Hydra's plugin for ``hydra/launcher=local``: compose the jobs of a sweep, and run none of them.

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
class LocalLauncherConfig:
    """Jobs run on this machine, each in a process of its own."""

    # Hydra finds its plugins by this name; nothing of odvae's own configuration names code.
    _target_: str = "hydra_plugins.odvae_launcher.LocalLauncher"
    parallel: int | None = None  # jobs at a time; None: as many as GPUs, or cores and memory, carry


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConfig)


class LocalLauncher(Launcher):
    """Hands every job of a sweep to the task function."""

    def __init__(self, parallel: int | None) -> None:
        self.parallel = parallel

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
