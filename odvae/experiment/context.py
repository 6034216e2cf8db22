"""What the parts of one run share: what it is told, where it writes, whom it tells."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from odvae.config import RunConfig
from odvae.experiment.heldout import HeldOut
from odvae.experiment.pace import read_elapsed_s, write_elapsed_s
from odvae.experiment.progress import Progress
from odvae.tracking import RunLog
from odvae.training.checkpoints import Checkpoints
from odvae.training.image_source import ImageVae, get_image_vae
from odvae.training.loop import Report
from odvae.training.precision import Arithmetic
from odvae.training.team import Team


@dataclass(frozen=True)
class Context:
    """A run at work."""

    config: RunConfig
    heldout: HeldOut
    arithmetic: Arithmetic
    folder: Path
    log: RunLog
    progress: Progress
    team: Team
    started_s: float = field(init=False)  # on the monotonic clock, earlier tries included

    def __post_init__(self) -> None:
        started_s = time.monotonic() - read_elapsed_s(self.folder)
        object.__setattr__(self, "started_s", started_s)

    @property
    def cache(self) -> Path:
        """For what several runs compute once."""
        return self.config.cache

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's own."""
        return Checkpoints(
            self.folder / "checkpoints",
            keep_last=self.config.train.keep_last,
            note=self.progress.note,
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds at work, earlier tries included."""
        return time.monotonic() - self.started_s

    def keep(self) -> None:
        """Before each checkpoint: what the store holds is never behind it."""
        self.log.flush()
        write_elapsed_s(self.folder, self.elapsed_s)

    def log_scores(self, prefix: str, scores: dict[str, float], *, step: int) -> None:
        """Log each score as ``prefix/name``."""
        self.log.metrics({f"{prefix}/{key}": value for key, value in scores.items()}, step=step)


def image_vae(
    config: RunConfig, heldout: HeldOut, *, arithmetic: Arithmetic, progress: Progress
) -> ImageVae:
    """The image VAE of a run; trained now if it is a local one that no run has trained yet."""

    def report() -> Report:
        return lambda step, _: progress.done(step)

    # Shown also while another run trains it and this one waits.
    progress.stage("image VAE", config.image_vae.recipe.steps)
    return get_image_vae(
        config.image_vae,
        config.architecture(),
        heldout.training_videos(),
        cache=config.cache / "image_vae",
        arithmetic=arithmetic,
        report=report,
    )
