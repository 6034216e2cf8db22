"""Finished runs as a table, one row a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.methods import method_label
from analysis.terms import TERMS, objective
from odvae.errors import UserError
from odvae.inference import TilingConfig, TilingMode
from odvae.model.architecture import SPACE_COMPRESSION, TIME_COMPRESSION
from odvae.tracking import LoggedRun, Status, Store
from odvae.vaes.methods import Method

TAGS = (
    "task",
    "model",
    "weights",
    "weights.sha256",
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
TILING = tuple(f"tiling.{name}" for name in ("group_frames", "tile_px", "overlap", "chunk_frames"))
PARAMS = ("model.width", "train.steps", "data.clip_frames", "data.size_px", *TILING)
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
    ``cut`` (operators and tiling, in words), the columns of TAGS and PARAMS (text, empty where a
    run lacks it or its tiling does not read it), those of ``terms.objective`` and one column a
    metric (its last value; NaN where a run lacks it).
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
    columns = ["run_id", "started", "method", "cut", *TAGS]
    columns += [*PARAMS, *_SPEED_PARAMS, *_OBJECTIVE]
    metrics = sorted({name for row in rows for name in row} - set(columns))
    return Runs(store, pd.DataFrame(rows, columns=columns + metrics))


def _row(run: LoggedRun) -> dict[str, object]:
    tags = {name: run.tags.get(name, _MEANT.get(name, "")) for name in TAGS}
    params = {name: run.params.get(name, "") for name in (*PARAMS, *_SPEED_PARAMS)}
    params |= dict.fromkeys(_unread(tags["tiling"]), "")
    metrics = dict(run.metrics)
    if tags["task"] != BENCHMARK and tags["model"] == Method.odvae.value:
        metrics.setdefault("cost/vcpr", TIME_COMPRESSION * SPACE_COMPRESSION**2)
    about = {"run_id": run.run_id, "started": run.started, "method": method_label(tags)}
    about["cut"] = f"{tags['operators']} operators, {tiling_label(tags['tiling'], params)}"
    return {**about, **tags, **params, **objective(run), **metrics}


def tiling_label(mode: str, fields: Mapping[str, str]) -> str:
    """A tiling in words, with the size of its parts; of no mode, the mode itself."""
    frames = fields["tiling.group_frames"] or fields["tiling.chunk_frames"]
    tile = f", tiles of {fields['tiling.tile_px']} px" if fields["tiling.tile_px"] else ""
    return f"{mode} {frames}".strip() + tile


def _unread(mode: str) -> set[str]:
    """Fields of TILING that say nothing of a run."""
    known = {one.value for one in TilingMode}
    if mode not in known:
        return set()
    unread = TilingConfig(mode=TilingMode(mode)).unread()
    return {name for name in TILING if name.removeprefix("tiling.") in unread}
