"""Objectives are named by the terms that took part, and compared where nothing else differs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import NoRuns, Runs, choose, load, objectives
from analysis.terms import TERMS, objective, setting_but_operators, setting_but_terms
from odvae.config import ModelConfig, RunConfig, field_names
from odvae.tracking import LoggedRun, Status, Store
from tests.analysis import synthetic

FOUR = ["L1", "L1 + LPIPS", "L1 + GAN", "L1 + LPIPS + GAN"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("synthetic_objectives")
        synthetic.fill_objectives(folder)
        yield load(folder)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Store.open(tmp_path)


@pytest.mark.parametrize(
    ("weight", "lpips_loss", "start_step", "label"),
    [
        ("0.0", "none", "None", "L1"),
        ("1.0", "vgg", "None", "L1 + LPIPS"),
        ("1.0", "none", "None", "L1"),  # wanted, but its weights were missing
        ("0.0", "none", "0", "L1 + GAN"),
        ("1.0", "squeeze", "69", "L1 + LPIPS + GAN"),
        ("1.0", "squeeze", "70", "L1 + LPIPS"),  # would begin after the last step
    ],
)
def test_an_objective_is_named_by_the_terms_that_took_part(
    weight: str, lpips_loss: str, start_step: str, label: str
) -> None:
    params = {
        "losses.lpips_weight": weight,
        "losses.adversarial.start_step": start_step,
        "train.steps": "70",
    }
    columns = objective(_run(params, {"lpips_loss": lpips_loss}))
    assert columns["objective"] == label
    assert columns["losses.lpips_weight"] == (weight if "LPIPS" in label else "")
    assert columns["losses.adversarial.start_step"] == (start_step if "GAN" in label else "")


def test_a_run_from_before_there_were_terms_has_none() -> None:
    assert objective(_run({}, {}))["objective"] == "L1"


def test_what_must_agree_is_the_setting_but_for_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig(preset="none", model=ModelConfig(norm_groups="channels/16"))
    flat = config.flat()
    params = {name: str(value) for name, value in flat.items()}
    of_terms = {name for names in TERMS.values() for name in names}
    assert of_terms <= set(field_names())

    def setting(values: dict[str, Any]) -> str:
        monkeypatch.setattr(RunConfig, "flat", lambda _: values)
        return config.setting()

    before = setting(flat)
    for name in flat:
        matters = setting(flat | {name: "other"}) != before and name not in of_terms
        other = params | {name: "other"}
        assert (setting_but_terms(other) != setting_but_terms(params)) == matters, name
        matters = setting(flat | {name: "other"}) != before and name != "operators"
        assert (setting_but_operators(other) != setting_but_operators(params)) == matters, name


def test_only_objectives_that_differ_in_their_terms_stand_side_by_side(runs: Runs) -> None:
    selection = choose(runs, by="objective")
    assert selection.levels == FOUR
    table = selection.runs.table
    assert table.groupby("objective")["seed"].agg(sorted).to_list() == [["0", "1"]] * 4
    assert {"variant": "4", "init": "tail"}.items() <= selection.setting.items()
    assert not {"setting", "lpips_loss"} & selection.setting.keys()


def test_a_term_has_one_shape_in_all_objectives(store: Store, tmp_path: Path) -> None:
    synthetic.add_objective(store, lpips=False, start_step=None)
    for seed, start_step in enumerate((20, 30)):
        synthetic.add_objective(store, lpips=False, start_step=start_step, seed=seed)
    synthetic.add_objective(store, lpips=True, start_step=20)
    table = choose(load(tmp_path), by="objective").runs.table
    start_steps = table.groupby("objective")["losses.adversarial.start_step"].unique()
    assert {level: list(steps) for level, steps in start_steps.items()} == {
        "L1": [""],
        "L1 + GAN": ["20"],
        "L1 + LPIPS + GAN": ["20"],
    }


def test_one_objective_is_no_comparison(store: Store, tmp_path: Path) -> None:
    for seed in (0, 1):
        synthetic.add_objective(store, lpips=True, start_step=None, seed=seed)
    synthetic.add_objective(store, lpips=False, start_step=None, params={"train.steps": "7"})
    with pytest.raises(NoRuns) as error:
        choose(load(tmp_path), by="objective")
    assert str(error.value) == (
        "no finished runs that differ in objective alone; make them: "
        "python -m odvae.run -m +experiment=losses"
    )


def test_the_figure_shows_quality_and_the_discriminators_health(runs: Runs, tmp_path: Path) -> None:
    png = objectives.draw(choose(runs, by="objective"), name="figure", folder=tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    table = pd.read_csv(png.with_suffix(".csv"))
    levels = table.groupby("metric")["level"].unique()
    for metric in ("psnr_db", "lpips_squeeze"):
        assert set(levels[metric]) == set(FOUR)
    for metric in ("train/logits_real", "train/logits_fake", "train/adaptive_weight"):
        assert set(levels[metric]) == set(FOUR[2:])
    mean = table.set_index(["metric", "level", "step"])["mean"]
    assert mean["psnr_db", "L1 + LPIPS", 0] == pytest.approx(synthetic.START_DB["tail"] + 0.3)
    assert mean["train/logits_fake", "L1 + GAN", 80] == pytest.approx(-0.8)
    assert mean["train/adaptive_weight", "L1 + GAN", 81] == pytest.approx((10 + 1000) / 2)


def test_without_a_discriminator_quality_alone_is_drawn(store: Store, tmp_path: Path) -> None:
    for lpips in (True, False):
        synthetic.add_objective(store, lpips=lpips, start_step=None)
    selection = choose(load(tmp_path), by="objective")
    png = objectives.draw(selection, name="figure", folder=tmp_path)
    assert set(pd.read_csv(png.with_suffix(".csv"))["metric"]) == {"psnr_db", "lpips_squeeze"}


def test_a_long_training_is_averaged_over_stretches(store: Store, tmp_path: Path) -> None:
    """120 steps of 12000, in stretches of 301: step 40 with 80 and 120."""
    for start_step in (None, synthetic.GAN_START):
        long = {"train.steps": "12000"}
        synthetic.add_objective(store, lpips=False, start_step=start_step, params=long)
    selection = choose(load(tmp_path), by="objective")
    png = objectives.draw(selection, name="figure", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv")).set_index("metric")
    assert table.loc["train/logits_real", "step"] == 120
    assert table.loc["train/logits_real", "mean"] == pytest.approx(0.8)


def _run(params: dict[str, str], tags: dict[str, str]) -> LoggedRun:
    return LoggedRun(
        run_id="",
        name="",
        parent_id=None,
        status=Status.FINISHED.value,
        params=params,
        tags=tags,
        metrics={},
        datasets={},
        started=datetime.now(UTC),
    )
