"""Finished runs as a table, one row a run."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.methods import method_label
from analysis.terms import TERMS, objective
from odvae.errors import UserError
from odvae.model.architecture import SPACE_COMPRESSION, TIME_COMPRESSION
from odvae.tracking import LoggedRun, Status, Store
from odvae.vaes.methods import Method

TAGS = (
    "task",
    "model",
    "weights",
    "preset",
    "data",
    "operators",
    "tiling",
    "image_vae",
    "protocol",
    "setting",
    "precision",
    "device",
    "lpips_loss",
    "variant",
    "init",
    "seed",
    "hardware",
    "accelerated",
)
PARAMS = ("model.width", "train.steps", "data.clip_frames", "data.size_px", "tiling.group_frames")
BENCHMARK = "benchmark"  # the task of runs that score nothing
_SPEED_PARAMS = ("model.blocks", "benchmark.batch")
_OBJECTIVE = (
    "objective",
    "setting_but_terms",
    *(name for names in TERMS.values() for name in names),
)

_MEANT = {"task": "train", "model": Method.odvae.value}  # by a run from before there was a choice


class NoRuns(UserError):
    """Nothing to draw; the message says which command makes the runs."""


@dataclass(frozen=True)
class Runs:
    """Runs of a store.

    ``table`` has a row a run: ``run_id``, ``started``, ``method`` (what was measured, in words),
    the columns of TAGS and PARAMS (text, empty where a run lacks it), those of ``terms.objective``
    and one column a metric (its last value; NaN where a run lacks it).
    """

    store: Store
    table: pd.DataFrame


def load(output_dir: str | Path) -> Runs:
    """Read every finished training and evaluation of an output folder.

    With MLFLOW_TRACKING_URI, of that server. Raises UserError when the store cannot be opened.
    """
    return _load(output_dir, benchmarks=False)


def load_benchmarks(output_dir: str | Path) -> Runs:
    """Read every finished benchmark; otherwise as ``load``."""
    return _load(output_dir, benchmarks=True)


def _load(output_dir: str | Path, *, benchmarks: bool) -> Runs:
    store = Store.open(Path(output_dir))
    rows = [
        _row(run)
        for run in store.find({"odvae.kind": "run"})
        if run.status == Status.FINISHED.value and (run.tags.get("task") == BENCHMARK) is benchmarks
    ]
    columns = ["run_id", "started", "method", *TAGS, *PARAMS, *_SPEED_PARAMS, *_OBJECTIVE]
    metrics = sorted({name for row in rows for name in row} - set(columns))
    return Runs(store, pd.DataFrame(rows, columns=columns + metrics))


def _row(run: LoggedRun) -> dict[str, object]:
    tags = {name: run.tags.get(name, _MEANT.get(name, "")) for name in TAGS}
    params = {name: run.params.get(name, "") for name in (*PARAMS, *_SPEED_PARAMS)}
    metrics = dict(run.metrics)
    if tags["task"] != BENCHMARK and tags["model"] == Method.odvae.value:
        metrics.setdefault("cost/vcpr", TIME_COMPRESSION * SPACE_COMPRESSION**2)
    about = {"run_id": run.run_id, "started": run.started, "method": method_label(tags)}
    return {**about, **tags, **params, **objective(run), **metrics}
