"""The runs as MLflow's page should show them: the columns that matter, newest sweep first.

The page reads such a view from a tag of the experiment (MLflow's "Views" button writes the same
tags), and applies the one that its address names. A view is the user's to change: what they save
on the page is a view of another name.
"""

import json
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from odvae.tracking.logged import LoggedRun
from odvae.tracking.store import Store

VIEW = "odvae"
KIND_TAG = "mlflow.experimentKind"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
# The page has two faces; without these it shows that of chat programs.
_KIND = "custom_model_development"
_FACE = "machine_learning"

_TAGS = ("model", "variant", "init", "seed", "protocol.name")
_SCORES = ("psnr_db", "ssim", "lpips", "fvd")  # lpips: under whatever network
_COSTS = ("encode_clips_per_s", "parameters_millions", "wall_s")
_CHARTS = "eval/"
_CHARACTER_PX, _PADDING_PX, _LEAST_PX = 6.3, 26, 60


def route(store: Store, runs: Sequence[LoggedRun]) -> str:
    """Leave the view of these runs in the store; returns where on a server the page shows it."""
    if KIND_TAG not in store.experiment_tags():
        store.tag_experiment(KIND_TAG, _KIND)
    store.tag_experiment(VIEW_TAG, envelope(view_state(runs), now_ms=time.time_ns() // 1_000_000))
    query = urlencode({"workflowType": _FACE, "viewStateShareKey": VIEW})
    return f"/#/experiments/{store.experiment_id}/runs?{query}"


def envelope(state: dict[str, object], *, now_ms: int) -> str:
    """A view as MLflow stores it: its name and times, and the state as text."""
    times = {"createdAt": now_ms, "updatedAt": now_ms}
    return json.dumps({"name": VIEW, **times, "state": json.dumps(state)})


def view_state(runs: Sequence[LoggedRun]) -> dict[str, object]:
    """Which columns, in which order, how wide; which charts; how the rows are sorted."""
    shown = columns(runs)
    return {
        # A sweep ends after its runs: it comes right above them. Sorted by the time of creation,
        # the page would fold them away.
        "orderByKey": "attributes.end_time",
        "orderByAsc": False,
        "selectedColumns": shown,
        "columnOrder": shown,
        "columnWidths": {column: _width_px(column) for column in shown},
        "chartsSearchFilter": _CHARTS,
    }


def columns(runs: Sequence[LoggedRun]) -> list[str]:
    """What tells these runs apart and what they are worth, by MLflow's names of columns."""
    tags = [tag for tag in _TAGS if tag != "model" or len(_values(runs, tag)) > 1]
    stored = sorted({name for run in runs for name in run.metrics})
    metrics = [name for score in _SCORES for name in stored if _is_score(name, score)]
    metrics += _generated(stored)
    metrics += [f"cost/{name}" for name in _COSTS]
    return [f"tags.`{tag}`" for tag in tags] + [f"metrics.`{metric}`" for metric in metrics]


def _is_score(name: str, score: str) -> bool:
    if name.endswith("_by_frame"):
        return False
    return name == f"eval/{score}" or (score == "lpips" and name.startswith("eval/lpips_"))


def _generated(stored: Sequence[str]) -> list[str]:
    """How well and how fast a generator trained, and how far its samples are from real clips."""
    of_samples = [n for n in stored if n.startswith("generation/") and n.endswith("_generation")]
    wanted = ["generation/validation_loss", *of_samples, "generation/train_steps_per_s"]
    return [name for name in wanted if name in stored]


def _values(runs: Sequence[LoggedRun], tag: str) -> set[str]:
    return {run.tags[tag] for run in runs if run.tags.get(tag)}


def _width_px(column: str) -> int:
    """Enough for the title, which is longer than what stands below."""
    return max(_LEAST_PX, round(_CHARACTER_PX * len(column.split("`")[1])) + _PADDING_PX)
