"""A stored run, as it is read back."""

import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
ORIGIN_TAG = "odvae.origin"  # on a shared MLflow: which run of an output folder this is


class Status(Enum):
    """How a run ended."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class LoggedRun:
    """A stored run; ``metrics`` holds each metric's value at its last step.

    ``status`` is RUNNING or the value of a ``Status``; ``tags`` includes MLflow's own.
    """

    run_id: str
    name: str
    parent_id: str | None
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    datasets: dict[str, str]  # digests by name
    started: datetime

    @property
    def ids(self) -> tuple[str, ...]:
        """What it is called by: here, and in the output folder that it comes from."""
        origin = self.tags.get(ORIGIN_TAG)
        return (self.run_id,) if origin is None else (self.run_id, origin)


def logged(run: "Run") -> LoggedRun:
    """What MLflow holds of a run."""
    return LoggedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        parent_id=run.data.tags.get(PARENT_TAG),
        status=run.info.status,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        metrics={name: stored_value(value) for name, value in run.data.metrics.items()},
        datasets={
            used.dataset.name: used.dataset.digest
            for used in (run.inputs.dataset_inputs if run.inputs else [])
        },
        started=datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC),
    )


def stored_value(stored: float) -> float:
    """A metric as it was logged."""
    # A database holds the largest float in place of an infinity.
    return math.copysign(math.inf, stored) if abs(stored) == sys.float_info.max else stored
