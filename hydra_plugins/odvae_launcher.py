"""Hydra's plugin for ``hydra/launcher=local``: check every job, then hand all to odvae."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write
from rich.console import Console


@dataclass
class LocalLauncherConfig:
    """Jobs run on this machine, each in a process of its own."""

    # Hydra finds its plugins by this name; nothing of odvae's own configuration names code.
    _target_: str = "hydra_plugins.odvae_launcher.LocalLauncher"
    parallel: int | None = None  # jobs at a time; None: as many as GPUs, or cores and memory, carry


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConfig)


class LocalLauncher(Launcher):
    """Starts the jobs of a sweep."""

    def __init__(self, parallel: int | None) -> None:
        self.parallel = parallel

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before ``launch``."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Compose and check all jobs, so that none starts if one cannot, then run them."""
        # Hydra imports every plugin at each start; odvae's parts are heavy and needed only here.
        from odvae.config import resolve
        from odvae.experiment.sweep import run_sweep

        loader = self.hydra_context.config_loader
        configs = []
        for overrides in job_overrides:
            composed = loader.load_sweep_config(self.config, list(overrides))
            with read_write(composed), open_dict(composed):
                del composed["hydra"]
            configs.append(resolve(composed))
        run_sweep(
            configs,
            job_overrides,
            name=" ".join(self.config.hydra.overrides.task) or "default",
            parallel=self.parallel,
            console=Console(),
        )
        done = JobReturn(status=JobStatus.COMPLETED)
        done.return_value = None
        return [done for _ in job_overrides]
