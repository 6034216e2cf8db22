"""How a trial went, by what its job and its run have left."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from odvae.experiment.launch import LaunchedJob


@dataclass(frozen=True)
class Outcome:
    """What the study is told of a trial."""

    state: TrialState
    values: list[float] | None = None  # of the objectives, if the trial is complete
    reason: str = ""  # if it failed
    lacks: str | None = None  # an objective that runs do not log


def outcome(job: LaunchedJob, metrics: Mapping[str, float], objectives: Sequence[str]) -> Outcome:
    """Judge a trial whose job has ended.

    Args:
        metrics: of its run, each at its last step.
        objectives: names of metrics.
    """
    if job.returncode != 0:
        if job.stopped:
            return Outcome(TrialState.PRUNED)
        return Outcome(TrialState.FAIL, reason=job.ending)
    for name in objectives:
        if name not in metrics:
            near = difflib.get_close_matches(name, metrics, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            return Outcome(TrialState.FAIL, reason=f"its run logged no {name}{hint}", lacks=name)
        if not math.isfinite(metrics[name]):
            return Outcome(TrialState.FAIL, reason=f"{name} is {metrics[name]}")
    return Outcome(TrialState.COMPLETE, [metrics[name] for name in objectives])
