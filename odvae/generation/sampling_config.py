"""What can be said of how samples are made."""

from dataclasses import dataclass
from enum import Enum

from odvae.errors import UserError


class Scheduler(Enum):
    """How the noise is taken away, step by step. All are diffusers'."""

    ddim = "ddim"  # deterministic (Song et al. 2021)
    dpm_solver = "dpm_solver"  # DPM-Solver++ of order 2, deterministic (Lu et al. 2022)
    ddpm = "ddpm"  # adds noise again at each step (Ho et al. 2020); Latte's, in 250 steps


@dataclass(kw_only=True)
class SamplingConfig:
    """How samples are made. Raises UserError for a field out of range."""

    scheduler: Scheduler = Scheduler.ddim
    steps: int = 250  # of the denoiser for each sample
    guidance: float = 1.0  # how far beyond the class's own prediction to go; 1: not beyond it
    batch: int = 8  # samples at a time

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"sampling.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.guidance < float("inf"):
            raise UserError(f"sampling.guidance must be at least 0, got {self.guidance}")
