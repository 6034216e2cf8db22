"""Studies whose runs are functions: no process, no model, no store of MLflow's."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from rich.console import Console

from odvae.experiment.launch import LaunchedJob
from odvae.experiment.study.config import StudyConfig
from odvae.experiment.study.locks import Presence
from odvae.experiment.study.plan import StudyPlan, field_of
from odvae.experiment.study.storage import SharedStudy, opened
from odvae.experiment.study.trials import Trials
from odvae.tracking import LoggedRun, Status, Store

GROUPS = {"init", "tiling", "data", "metrics/protocol"}
SPACE: dict[str, Any] = {
    "train": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}},
    "variant": {"choices": [1, 2, 4]},
}
STEPS = 8
CURVE = (2, 4, 6, 8)  # steps at which a run looks at the held-out clips

Reached = Callable[[Mapping[str, str], int], dict[str, float]]  # by the words of a run, and a step


def make_plan(*words: str, space: Mapping[str, Any] = SPACE, **fields: Any) -> StudyPlan:
    given: dict[Any, Any] = {**fields, "space": space}
    settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(StudyConfig), given))
    assert isinstance(settings, StudyConfig)
    return StudyPlan.of(settings, words, chosen="made", groups=GROUPS)


def quality(words: Mapping[str, str], step: int) -> dict[str, float]:
    """Best at a learning rate of 1e-4 and variant 4; it grows with the steps."""
    rate, variant = float(words["train.learning_rate"]), int(words["variant"])
    value = 20 - abs(rate - 1e-4) * 1e4 - abs(variant - 4) + step / STEPS
    return {"eval/psnr_db": value, "cost/train_steps_per_s": 4.0}


@dataclass
class Runs:
    """A store of runs, as far as a study asks it."""

    output: Path
    runs: dict[str, LoggedRun] = field(default_factory=dict)

    def get(self, run_id: str) -> LoggedRun:
        return self.runs[run_id]

    def resume(self, run_id: str) -> "Runs":
        self.resumed = run_id
        return self

    def tags(self, tags: Mapping[str, str]) -> None:
        self.runs[self.resumed].tags.update(tags)

    def finish(self, status: Status) -> None:
        assert status in (Status.KILLED, Status.FINISHED)

    def add(self, metrics: dict[str, float]) -> str:
        run_id = str(len(self.runs))
        key, now = {"odvae.key": f"key{run_id}"}, datetime.now(UTC)
        run = LoggedRun(run_id, "", None, "FINISHED", {}, key, metrics, {}, now)
        self.runs[run_id] = run
        (self.output / "runs" / f"key{run_id}" / "checkpoints").mkdir(parents=True, exist_ok=True)
        return run_id


class Killed(Exception):
    """Stands for kill -9 of a worker."""


class Worker:
    """A worker of a study: its trials run one after the other, here."""

    def __init__(self, shared: SharedStudy, plan: StudyPlan, output: Path) -> None:
        self.shared, self.plan = shared, plan
        self.runs = Runs(output)
        self.said = io.StringIO()
        self.names: list[str] = []  # of its jobs
        self.trials = Trials(
            shared,
            plan,
            store=cast(Store, self.runs),
            folder=output / "logs",
            steps=STEPS,
            presence=Presence(output / "logs" / "lock"),
            console=Console(file=self.said, width=200),
        )

    def work(self, reached: Reached = quality, *, at_most: int = 1000) -> None:
        """Run trials until there are none; ``at_most`` jobs of them."""
        while at_most and (job := self.trials.next()) is not None:
            at_most -= 1
            self.run(job, reached)
        assert not at_most or self.trials.is_exhausted()

    def run(self, job: LaunchedJob, reached: Reached) -> None:
        """As ``launch`` would; what ``reached`` raises but Killed fails the job."""
        self.names.append(job.name)
        words = {field_of(word): word.partition("=")[2] for word in job.overrides}
        job.returncode = 0
        metrics: dict[str, float] = {}
        try:
            for step in CURVE:
                metrics = reached(words, step)
                job.status.reports.append((step, metrics))
                if self.trials.watch(job):
                    job.stopped, job.returncode = True, 130
                    break
        except ArithmeticError as error:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.write_text(f"odvae: {error}\n")
            job.returncode = 2
        job.status.run_id = self.runs.add(metrics)
        self.trials.ended(job)


@contextmanager
def working(plan: StudyPlan, output: Path) -> Iterator[Worker]:
    """A worker; when the block is left, however, it is as if its process had ended."""
    with opened(plan, output, steps=STEPS) as shared:
        yield Worker(shared, plan, output)
