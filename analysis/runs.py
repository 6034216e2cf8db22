"""Finished training runs as a table, one row a run."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from odvae.errors import UserError
from odvae.tracking import LoggedRun, Status, Store

TAGS = (
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
)
PARAMS = ("model.width", "train.steps", "data.clip_frames", "data.size_px")


class NoRuns(UserError):
    """Nothing to draw; the message says which command makes the runs."""


@dataclass(frozen=True)
class Runs:
    """Runs of a store.

    ``table`` has a row a run: ``run_id``, ``started``, the columns of TAGS and PARAMS (text, empty
    where a run lacks it) and one column a metric (its last value; NaN where a run lacks it).
    """

    store: Store
    table: pd.DataFrame


def load(output_dir: str | Path) -> Runs:
    """Read every finished training run of an output folder, or of MLFLOW_TRACKING_URI's server.

    Raises UserError when the store cannot be opened.
    """
    store = Store.open(Path(output_dir))
    logged = store.find({"odvae.kind": "run"})
    trained = [
        run
        for run in logged
        if run.status == Status.FINISHED.value and run.params.get("task", "train") == "train"
    ]
    columns = ["run_id", "started", *TAGS, *PARAMS]
    return Runs(store, pd.DataFrame([_row(run) for run in trained], columns=_all(columns, trained)))


def _row(run: LoggedRun) -> dict[str, object]:
    tags = {name: run.tags.get(name, "") for name in TAGS}
    params = {name: run.params.get(name, "") for name in PARAMS}
    return {"run_id": run.run_id, "started": run.started, **tags, **params, **run.metrics}


def _all(columns: list[str], runs: list[LoggedRun]) -> list[str]:
    return columns + sorted({metric for run in runs for metric in run.metrics})
