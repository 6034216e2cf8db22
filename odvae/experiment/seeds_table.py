"""The summary of runs over their seeds: a row a configuration."""

import math
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from odvae.experiment.levels import by_configuration, tell_apart
from odvae.experiment.student import half_width
from odvae.experiment.table import FIRST_SCORES, Summary, logged_scores, title
from odvae.tracking import LoggedRun, Status

_NOTE = "mean ± half of the 95 % interval over seeds (Student), from 3 seeds on"


def print_over_seeds(runs: Sequence[LoggedRun], console: Console) -> dict[str, Summary]:
    """Print ``over_seeds`` where a configuration has several seeds; returns it by its name."""
    summary = over_seeds(runs)
    if all(seeds == "1" for _, seeds, *_ in summary.rows):
        return {}
    console.print(_NOTE, highlight=False, markup=False, soft_wrap=True)
    summary.print(console)
    return {"over_seeds": summary}


def over_seeds(runs: Sequence[LoggedRun]) -> Summary:
    """Mean of each score of the evaluation over the finished runs of a configuration.

    From three seeds on, with half the width of Student's 95 % interval: 21.18 ± 0.13.
    """
    scored = [run for run in runs if run.status == Status.FINISHED.value and _scores([run])]
    groups = by_configuration(scored)
    names = tell_apart([next(iter(group.values())) for group in groups])
    scores = _scores(scored)
    rows = [
        [name, str(len(group)), *(_cell(list(group.values()), score) for score in scores)]
        for name, group in zip(names, groups, strict=True)
    ]
    return Summary(["over seeds", "seeds", *(title(name, scored) for name in scores)], rows)


def _scores(runs: Sequence[LoggedRun]) -> list[str]:
    names = logged_scores(runs)
    return [*(name for name in FIRST_SCORES if name in names), *sorted(names - set(FIRST_SCORES))]


def _cell(runs: Sequence[LoggedRun], score: str) -> str:
    """Mean over the runs, and how sure it is; empty unless each of them has the score."""
    found = [run.metrics.get(f"eval/{score}") for run in runs]
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        return ""
    mean = math.fsum(values) / len(values)
    digits = 2 if score.endswith("_db") else 4
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    half = float(half_width(deviation, len(values)))
    text = f"{mean:.{digits}f}"
    return text if math.isnan(half) else f"{text} ± {half:.{digits}f}"
