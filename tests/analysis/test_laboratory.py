"""Steps to a level against closed forms, and runs that never get there."""

import math
from pathlib import Path

import pandas as pd
import pytest

from analysis import NoRuns, Runs, choose, laboratory, load
from odvae.tracking import Status, Store
from tests.analysis import synthetic

COLUMNS = ["init", "operators", "seed", "step", "value"]


def _curve(init: str, values: list[float], *, seed: str = "0") -> list[tuple[object, ...]]:
    return [(init, "paper", seed, 10 * place, value) for place, value in enumerate(values)]


def test_steps_are_interpolated_between_looks() -> None:
    rows = _curve("tail", [21.0, 22.0]) + _curve("inflate", [18.0, 19.0, 21.0])
    rows += _curve("random", [8.0, 9.0, 10.0])
    steps = laboratory.steps_to(pd.DataFrame(rows, columns=COLUMNS), 20.0)
    assert list(steps["init"]) == ["tail", "inflate", "random"]
    # There before the first step; half way between the second and the third look; never.
    assert list(steps["value"]) == pytest.approx([0, 15, math.nan], nan_ok=True)


def test_the_first_time_counts() -> None:
    curves = pd.DataFrame(_curve("tail", [19.0, 21.0, 18.0, 22.0]), columns=COLUMNS)
    assert laboratory.steps_to(curves, 20.0)["value"].item() == pytest.approx(5)


def test_the_level_is_what_half_of_the_starts_reached_with_every_seed() -> None:
    rows = _curve("tail", [20.0, 23.46]) + _curve("tail", [20.0, 22.18], seed="1")
    rows += _curve("inflate", [19.0, 21.3]) + _curve("center", [19.0, 20.05])
    rows += _curve("random", [8.0, 9.0])
    curves = pd.DataFrame(rows, columns=COLUMNS)
    assert laboratory.target(curves) == pytest.approx(21.3)
    without = curves[curves["init"] != "random"]
    assert laboratory.target(without) == pytest.approx(21.3)
    assert laboratory.target(curves[curves["init"] == "tail"]) == pytest.approx(22.1)


def test_the_figure_has_a_row_a_start(starts: Runs, tmp_path: Path) -> None:
    png = laboratory.draw(choose(starts, by="start"), name="ten", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv"))
    zero = table[table["metric"] == "zero_step_psnr_db"].set_index(["init", "operators"])["mean"]
    for operators, extra_db in synthetic.OPERATORS_DB.items():
        assert zero["tail", operators] == pytest.approx(20.3 + extra_db)
        assert zero["random", operators] == pytest.approx(10 + extra_db)
    steps = table[table["metric"] == "steps_to_target"]
    assert "random" not in set(steps["init"])  # it never got there
    assert (steps["mean"] >= 0).all()


def test_without_curves_there_is_nothing_to_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = Store.open(tmp_path)
    for init in ("tail", "inflate"):
        log = store.create(init, tags={**synthetic.TAGS, "init": init, "seed": "0"}, parent_id=None)
        log.params({"train.steps": "7"})
        log.finish(Status.FINISHED)
    with pytest.raises(NoRuns, match="hold no curves"):
        laboratory.draw(choose(load(tmp_path), by="start"), name="ten", folder=tmp_path)
