"""Finished runs as a table, one row a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from analysis.recorded import RecordedRuns
from analysis.run_table import BENCHMARK, COLUMNS, GENERATE, row_of
from odvae.errors import UserError
from odvae.tracking import Status, Store


class NoRuns(UserError):
    """Nothing to draw; the message says which command makes the runs."""


class Histories(Protocol):
    """Where the values of metrics over steps are: MLflow's store, or recorded files."""

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) in order of step; nothing for a metric that the run lacks."""


@dataclass(frozen=True)
class Runs:
    """Runs, and where their histories are.

    ``table`` has a row a run: ``run_id``, ``started``, ``recorded_in`` (where the numbers of a
    recorded run lie), ``method`` (what was measured, in words), ``cut`` (operators and tiling, in
    words), ``start`` (initialisation and operators, in words), the columns of ``run_table.STORED``
    (text, empty where a run lacks it or its tiling does not read it) and one column a metric (its
    last value; NaN where a run lacks it).

    ``recorded`` are those to look among where these do not hold what is looked for.
    """

    store: Histories
    table: pd.DataFrame
    recorded: "Runs | None" = None


def load(output_dir: str | Path, *, recorded_dir: str | Path | None = None) -> Runs:
    """Read every finished training and evaluation of an output folder.

    With MLFLOW_TRACKING_URI, of that server if it answers. Raises UserError when the store cannot
    be opened.

    Args:
        output_dir: where runs are logged.
        recorded_dir: where recorded runs stand, the folder ``experiments``; None: look at none.
    """
    return _load(output_dir, recorded_dir, task=None)


def load_benchmarks(output_dir: str | Path, *, recorded_dir: str | Path | None = None) -> Runs:
    """Read every finished benchmark; otherwise as ``load``."""
    return _load(output_dir, recorded_dir, task=BENCHMARK)


def load_generations(output_dir: str | Path, *, recorded_dir: str | Path | None = None) -> Runs:
    """Read every finished generation, which stands beside no training; otherwise as ``load``."""
    return _load(output_dir, recorded_dir, task=GENERATE)


def _load(output_dir: str | Path, recorded_dir: str | Path | None, *, task: str | None) -> Runs:
    recorded = None
    if recorded_dir is not None:
        files = RecordedRuns(Path(recorded_dir))
        recorded = Runs(files, _of_task(files.table, task))
    store = Store.open_to_read(Path(output_dir))
    found = store.find({"odvae.kind": "run"})
    rows = [row_of(run) for run in found if run.status == Status.FINISHED.value]
    metrics = sorted({name for row in rows for name in row} - set(COLUMNS))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *metrics])
    return Runs(store, _of_task(table, task), recorded)


def _of_task(table: pd.DataFrame, task: str | None) -> pd.DataFrame:
    """Runs of a task, or of None those that have no loading of their own; with their metrics."""
    wanted = ~table["task"].isin((BENCHMARK, GENERATE)) if task is None else table["task"] == task
    of_task = table[wanted].reset_index(drop=True)
    none = [name for name in of_task if name not in COLUMNS and of_task[name].isna().all()]
    return of_task.drop(columns=none)
