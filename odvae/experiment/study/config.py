"""What a study is told: what it varies, what it looks for, how it searches, where it remembers."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from odvae.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_POSTGRESQL = re.compile(r"postgresql(\+\w+)?://")


class Sampler(Enum):
    """Who proposes the parameters of the next trial."""

    tpe = "tpe"  # tree-structured Parzen estimators, the usual choice
    gp = "gp"  # a Gaussian process: for few, costly trials
    nsga2 = "nsga2"  # a genetic algorithm, for several objectives
    grid = "grid"  # every combination, one after the other
    random = "random"


class Pruner(Enum):
    """Who gives up trials that promise little, by what they reach while they train."""

    none = "none"
    median = "median"  # below the median of the finished trials at the same step
    percentile = "percentile"  # not among the best so many per cent of them
    hyperband = "hyperband"  # in several rounds, each of which keeps a third


class Direction(Enum):
    """Which values of an objective are good."""

    maximize = "maximize"
    minimize = "minimize"


@dataclass(kw_only=True)
class ObjectiveConfig:
    """What is looked for."""

    metric: str  # as runs log it, at its last step
    direction: Direction = Direction.maximize


@dataclass(kw_only=True)
class PrunerConfig:
    """When a trial is given up. Raises UserError for a field out of range."""

    name: Pruner = Pruner.none
    warmup_steps: int = 0  # of training; none is given up before
    startup_trials: int = 5  # are trained to the end, to compare with
    percentile: float = 25.0  # for percentile: how many per cent go on

    def __post_init__(self) -> None:
        where = "hydra.sweeper.pruner"
        for name in ("warmup_steps", "startup_trials"):
            if getattr(self, name) < 0:
                raise UserError(f"{where}.{name} must be at least 0, got {getattr(self, name)}")
        if not 0 < self.percentile < 100:
            raise UserError(
                f"{where}.percentile must be above 0 and below 100, got {self.percentile}"
            )


@dataclass(kw_only=True)
class StudyConfig:
    """The section ``hydra.sweeper`` of a study. Raises UserError, naming the field."""

    name: str | None = None  # null: that of the file in conf/study
    # By field: low, high, log and step of a range, or choices.
    space: dict[str, Any] = field(default_factory=dict)
    objectives: list[ObjectiveConfig] = field(
        default_factory=lambda: [ObjectiveConfig(metric="eval/psnr_db")]
    )
    sampler: Sampler = Sampler.tpe
    trials: int = 30  # of all workers together
    seed: int = 0  # of the proposals
    pruner: PrunerConfig = field(default_factory=PrunerConfig)
    storage: str | None = None  # null: a journal in output_dir; or postgresql://...

    def __post_init__(self) -> None:
        where = "hydra.sweeper"
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise UserError(
                f"{where}.name must be letters, digits, dots, hyphens and underscores, "
                f"got {self.name!r}"
            )
        if self.trials < 1:
            raise UserError(f"{where}.trials must be at least 1, got {self.trials}")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"{where}.seed must be at least 0 and below 2**31, got {self.seed}")
        if self.storage is not None and not _POSTGRESQL.match(self.storage):
            raise UserError(
                f"{where}.storage must be null (a journal in output_dir) or postgresql://..., "
                f"got {self.storage.partition(':')[0]}:..."  # there may be a password in it
            )
        self._check_objectives()

    def _check_objectives(self) -> None:
        metrics = [objective.metric for objective in self.objectives]
        if not metrics or len(set(metrics)) < len(metrics):
            raise UserError(f"hydra.sweeper.objectives must be different metrics, got {metrics}")
        if self.pruner.name is Pruner.none:
            return
        pruner = f"hydra.sweeper.pruner.name={self.pruner.name.value}"
        if len(metrics) > 1:
            raise UserError(
                f"{pruner}: a study of several objectives prunes no trials; set it to none"
            )
        if not metrics[0].startswith("eval/"):
            raise UserError(
                f"{pruner}: {metrics[0]} is not known while a trial trains; set it to none"
            )
