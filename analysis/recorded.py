"""Runs recorded as files in the repository: read where an output folder holds none.

``analysis.record`` writes three files into a folder ``experiments/NAME/results[/...]``:

    runs.csv          a row a run, columns as in ``run_table``
    curves.csv        run_id, metric, step, value: what figures draw over steps
    environment.json  the machine and versions that the numbers come from

Results from before there was a ``curves.csv`` are read too; of their curves the two ends are known.
"""

import json
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from analysis.run_table import COLUMNS, completed

RUNS, CURVES, ENVIRONMENT = "runs.csv", "curves.csv", "environment.json"
_FILES = f"*/results/**/{RUNS}"
_LONG_AGO = pd.Timestamp(0, tz="UTC")  # when runs started of which that was not recorded


class RecordedRuns:
    """All runs recorded below a folder; one recorded in several places counts once.

    ``table`` has the columns of ``run_table`` and one a metric; ``recorded_in`` names the places
    and their machines.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob(_FILES))
        tables = [_read_runs(file, _place(file, folder)) for file in files]
        if not tables:
            tables = [pd.DataFrame(columns=[*COLUMNS])]
        table = pd.concat(tables, ignore_index=True)
        places: dict[str, tuple[str, ...]] = {}
        for run_id, place in zip(table["run_id"], table["recorded_in"], strict=True):
            places[run_id] = (*places.get(run_id, ()), place)
        table = table.drop_duplicates("run_id", ignore_index=True)
        self.table = table.assign(recorded_in=table["run_id"].map(places))
        self._curves = _read_curves(file.with_name(CURVES) for file in files)

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) in order of step; nothing where it was not recorded."""
        curves = self._curves.get(run_id)
        return self._ends(run_id, metric) if curves is None else curves.get(metric, [])

    def _ends(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """First and last value of a score whose values in between were not recorded."""
        start = metric.replace("eval/", "zero_step/", 1)
        if start == metric or is_by_frame(metric) or start not in self.table:
            return []
        run = self.table.set_index("run_id").loc[run_id]
        steps = [(0, run[start]), (int(run["train.steps"] or 0), run.get(metric))]
        return [(step, float(value)) for step, value in steps if pd.notna(value)]


def is_by_frame(metric: str) -> bool:
    """Whether a metric is logged over frame positions, where others are over training steps."""
    return metric.endswith("_by_frame")


def source(recorded_in: Iterable[tuple[str, ...]]) -> str:
    """Where runs were recorded, in words; empty for those of an output folder."""
    places = [set(of_run) for of_run in recorded_in]
    if not any(places):
        return ""
    everywhere = sorted(set.intersection(*places))
    return "recorded runs of " + "; ".join(everywhere[:1] or sorted(set.union(*places)))


def _read_runs(file: Path, place: str) -> pd.DataFrame:
    stored = pd.read_csv(file, dtype=str, keep_default_na=False)
    about = pd.DataFrame([completed(_text(row)) for row in stored.to_dict("records")])
    started = stored["started"] if "started" in stored else pd.Series("", index=stored.index)
    about.insert(0, "run_id", stored["run_id"])
    about["started"] = pd.to_datetime(started, utc=True, format="ISO8601").fillna(_LONG_AGO)
    metrics = {name: pd.to_numeric(stored[name]) for name in stored if "/" in str(name)}
    return pd.concat([about.assign(recorded_in=place), pd.DataFrame(metrics)], axis=1)


def _read_curves(files: Iterable[Path]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """(step, value) in order of step, by run and metric."""
    tables = [pd.read_csv(file, dtype={"run_id": str}) for file in files if file.is_file()]
    if not tables:
        return {}
    every = pd.concat(tables)
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for (run_id, metric), own in every.groupby(["run_id", "metric"]):
        by_step = dict(zip(map(int, own["step"]), map(float, own["value"]), strict=True))
        curves.setdefault(str(run_id), {})[str(metric)] = sorted(by_step.items())
    return curves


def _place(file: Path, folder: Path) -> str:
    """The folder of a file, and its machine."""
    name = file.resolve().parent.relative_to(folder.resolve().parent)
    return ", ".join([name.as_posix(), *_machine(file.with_name(ENVIRONMENT))])


def _machine(file: Path) -> list[str]:
    if not file.is_file():
        return []
    environment = json.loads(file.read_text())
    if environment.get("gpu"):
        return [str(environment["gpu"])]
    threads = environment.get("threads", 1)
    return [environment.get("processor") or "CPU", f"{threads} thread{'s' if threads > 1 else ''}"]


def _text(row: Mapping[Hashable, str]) -> dict[str, str]:
    """All but the metrics."""
    return {str(name): value for name, value in row.items() if "/" not in str(name)}
