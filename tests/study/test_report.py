"""What a study leaves: a table that marks the best, whole numbers as CSV, pictures, a note."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from matplotlib.image import imread
from rich.console import Console

from odvae.experiment.study.importance import importances
from odvae.experiment.study.report import best_of, report
from odvae.tracking import RunLog
from tests.study.made_studies import Worker, make_plan, quality, working


class Log:
    """Keeps what is logged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts: dict[str, str] = {}
        self.numbers: dict[str, float] = {}
        self.note = ""

    def text(self, text: str, path: str) -> None:
        self.texts[path] = text

    def file(self, path: Path, folder: str | None) -> None:
        (self.folder / path.name).write_bytes(path.read_bytes())

    def picture(self, path: str) -> str:
        return f"![{path}]"

    def describe(self, markdown: str) -> None:
        self.note = markdown

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self.numbers = dict(values)

    def flush(self) -> None:
        pass


def _reported(worker: Worker, folder: Path) -> tuple[str, Log]:
    printed, log = io.StringIO(), Log(folder)
    console = Console(file=printed, width=200)
    report(worker.shared, worker.plan, log=cast(RunLog, log), console=console)
    return printed.getvalue(), log


def _rows(log: Log, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(log.texts[name])))


def _fails_at_variant_2(words: Mapping[str, str], step: int) -> dict[str, float]:
    if words["variant"] == "2":
        raise ArithmeticError("too | many")
    return quality(words, step)


def test_a_study_of_one_objective(tmp_path: Path) -> None:
    plan = make_plan("preset=smoke", trials=30, pruner={"name": "median"}, sampler="random")
    with working(plan, tmp_path) as worker:
        worker.work(_fails_at_variant_2)
        said, log = _reported(worker, tmp_path)
        best, trials = worker.shared.study.best_trial, worker.shared.trials()
    rows = _rows(log, "trials.csv")
    assert len(rows) == len(trials) == 30
    assert [int(row["trial"]) for row in rows] == list(range(30))
    for row, trial in zip(rows, trials, strict=True):
        assert row["state"] == trial.state.name.lower()
        assert float(row["train.learning_rate"]) == trial.params["train.learning_rate"]
        assert row["eval/psnr_db"] == ("" if trial.value is None else repr(trial.value))
        assert (row["reason"] == "failed: odvae: too | many") == (row["variant"] == "2")
    (kept,) = _rows(log, "best.csv")
    assert int(kept["trial"]) == best.number
    assert log.numbers == {"best/eval/psnr_db": best.value}
    assert f"{best.number} best" in said and f"Best: trial {best.number}" in said
    assert "python -m odvae.run train.learning_rate=" in said and "preset=smoke" in said
    pruned = sum(trial.state.name == "PRUNED" for trial in trials)
    assert pruned and f"Pruning: {pruned} trials were stopped early" in said
    assert "![history.png]" in log.note and "![importance.png]" in log.note
    assert len(log.note) < 6000
    for name in ("history.png", "importance.png"):
        assert imread(tmp_path / name).std() > 0.05


def test_a_study_of_three_objectives(tmp_path: Path) -> None:
    def trade(words: Mapping[str, str], step: int) -> dict[str, float]:
        width, variant = int(words["model.width"]), int(words["variant"])
        return {
            "eval/psnr_db": 20 + width / 16 + variant / 2,
            "cost/encode_clips_per_s": 100 / width,
            "cost/peak_memory_mb": 500 + 10.0 * width + 100 * variant,
        }

    objectives = [
        {"metric": "eval/psnr_db"},
        {"metric": "cost/encode_clips_per_s"},
        {"metric": "cost/peak_memory_mb", "direction": "minimize"},
    ]
    space: dict[str, Any] = {
        "model.width": {"choices": [16, 32, 48]},
        "variant": {"choices": [1, 2]},
        "init": {"choices": ["random"]},
    }
    plan = make_plan(space=space, objectives=objectives, sampler="nsga2", trials=20)
    with working(plan, tmp_path) as worker:
        worker.work(trade)
        said, log = _reported(worker, tmp_path)
        front = best_of(worker.shared.study)
        # Wider is better and slower; a higher variant is better and takes more memory.
        assert {tuple(trial.params.values()) for trial in front} == {
            tuple(trial.params.values()) for trial in worker.shared.trials()
        }
        shares = importances(worker.shared.study, plan)
    assert set(shares) == set(plan.metrics)
    assert shares["cost/encode_clips_per_s"]["width"] > 0.9
    assert all(sum(each.values()) == pytest.approx(1) for each in shares.values())
    assert "Trials that no other beats in all objectives" in said
    assert "init" not in said.split("Study made")[0]  # the same in all
    assert {row["trial"] for row in _rows(log, "best.csv")} == {str(t.number) for t in front}
    assert log.numbers["best/cost/peak_memory_mb"] == 760
    assert "![pareto.png]" in log.note and not (tmp_path / "history.png").exists()
    assert imread(tmp_path / "pareto.png").std() > 0.05


def test_a_study_without_a_complete_trial_has_a_table(tmp_path: Path) -> None:
    def fails(words: Mapping[str, str], step: int) -> dict[str, float]:
        raise ArithmeticError("broken")

    with working(make_plan(trials=2), tmp_path) as worker:
        said, log = _reported(worker, tmp_path)
        assert "none begun" in said and _rows(log, "best.csv") == []
        worker.work(fails)
        said, log = _reported(worker, tmp_path)
    assert "2 failed" in said and "broken" in said and log.numbers == {}
    assert list(tmp_path.glob("*.png")) == []
