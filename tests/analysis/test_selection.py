"""Only runs that differ in nothing else stand side by side."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from analysis import NoRuns, Runs, choose, load
from analysis.comparable import SETTING, Factor
from odvae.errors import UserError
from odvae.tracking import Status, Store
from tests.analysis import synthetic


def test_only_finished_runs_are_loaded(runs: Runs) -> None:
    assert set(runs.table["seed"]) == {"0", "1", "2", "8"}  # 7 and 9: failed, a sweep
    assert len(runs.table) == 4 * 3 + 3 * 3 + 4 + 1
    assert {"eval/psnr_db", "cost/encode_clips_per_s"} <= set(runs.table.columns)


@pytest.mark.parametrize(
    ("by", "levels", "held"),
    [
        ("variant", ["1", "2", "3", "4"], {"init": "tail"}),
        ("init", ["random", "inflate", "center", "tail"], {"variant": "4"}),
    ],
)
def test_the_largest_comparable_set_is_chosen(
    runs: Runs, by: str, levels: list[str], held: dict[str, str]
) -> None:
    selection = choose(runs, by=by)  # type: ignore[arg-type]
    assert selection.levels == levels
    table = selection.runs.table
    assert len(table) == 12
    assert all(table[name].nunique() == 1 for name in (*SETTING, *held))
    assert selection.setting["preset"] == "laptop"
    assert selection.setting["protocol"] == synthetic.TAGS["protocol"]
    assert held.items() <= selection.setting.items()


def test_one_may_ask_for_another_set(runs: Runs) -> None:
    selection = choose(runs, by="variant", only={"preset": "smoke"})
    assert selection.levels == ["1", "2"]
    assert selection.setting["preset"] == "smoke"
    assert set(choose(runs, by="variant", only={"protocol": "another"}).levels) == {"1", "2"}
    with pytest.raises(UserError, match=r"^only=colour must be one of preset, "):
        choose(runs, by="variant", only={"colour": "blue"})


def test_what_is_missing_comes_with_the_command_that_makes_it(runs: Runs) -> None:
    with pytest.raises(NoRuns) as error:
        choose(runs, by="init", only={"preset": "smoke"})
    assert str(error.value) == (
        "no finished runs with preset=smoke that differ in init alone; make them: "
        "python -m odvae.run -m +experiment=inits"
    )


def test_a_configuration_run_again_counts_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for extra_db in (0.0, 1.0):  # the later counts
        for variant in ("1", "4"):
            synthetic.add(store, variant=variant, extra_db=extra_db)
    values = choose(load(tmp_path), by="variant").last("eval/psnr_db").set_index("level")["value"]
    expected = {v: synthetic.final_db(v, "tail", 0, synthetic.STEPS[-1]) + 1 for v in ("1", "4")}
    pd.testing.assert_series_equal(
        values.sort_index(), pd.Series(expected), check_names=False, check_index_type=False
    )


def test_histories_begin_before_training(runs: Runs) -> None:
    history = choose(runs, by="init").history("eval/psnr_db")
    assert len(history) == 4 * 3 * len(synthetic.STEPS)
    first = history[history["step"] == 0].drop_duplicates(["level", "value"])
    assert dict(zip(first["level"], first["value"], strict=True)) == synthetic.START_DB


def test_a_metric_that_nobody_logged_is_empty(runs: Runs) -> None:
    selection = choose(runs, by="variant")
    assert selection.last("eval/fvd").empty
    assert selection.history("eval/fvd").empty
    assert pd.isna(selection.level_of("reference/mean_colour/fvd"))
    assert selection.level_of("reference/mean_colour/psnr_db") == pytest.approx(14.7)


def test_a_run_from_before_there_was_a_choice_is_of_od_vae(runs: Runs) -> None:
    assert set(runs.table["model"]) == {"odvae"}
    assert set(runs.table["cost/vcpr"]) == {256}


@pytest.mark.parametrize(
    ("by", "levels"), [("variant", ["1", "2", "4"]), ("init", ["inflate", "tail"])]
)
def test_variants_and_initialisations_are_od_vaes_alone(
    methods: Runs, by: Factor, levels: list[str]
) -> None:
    selection = choose(methods, by=by)
    assert selection.levels == levels
    assert set(selection.runs.table["model"]) == {"odvae"}
    assert set(selection.runs.table["task"]) == {"train"}


def test_methods_trained_alike_stand_beside_saved_ones_on_the_same_clips(methods: Runs) -> None:
    selection = choose(methods, by="model")
    table = selection.runs.table
    assert Counter(table["method"]) == {
        "OD-VAE variant 1": 3,
        "OD-VAE variant 4": 3,
        "SD-VAE (image VAE per frame)": 3,
        "SVD-VAE's kind (own temporal decoder)": 3,
        "SD-VAE (image VAE per frame), saved weights": 1,
        "Wan, saved weights": 1,
    }
    assert table["protocol"].nunique() == table["tiling"].nunique() == 1
    assert set(table.loc[table["task"] == "train", "init"]) == {"tail"}
    assert set(table["seed"]) == {"0", "1", "2", ""}  # 5 and 6: another budget, another start
    assert selection.setting["preset"] == "laptop"


def test_saved_methods_need_no_training_to_stand_beside_each_other(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for model in ("wan", "ltx"):
        tags = {"task": "evaluate", "model": model, "weights": "hub"}
        synthetic.add(store, tags=tags)
    selection = choose(load(tmp_path), by="model")
    assert selection.levels == ["LTX-Video, saved weights", "Wan, saved weights"]
    assert "train.steps" not in selection.setting


def test_a_start_is_an_initialisation_with_its_operators(starts: Runs) -> None:
    selection = choose(starts, by="start")
    counts = Counter(selection.runs.table["start"])
    assert counts == {
        f"{init}, {operators} operators": 2
        for init in ("random", "inflate", "tail")
        for operators in ("paper", "strict")
    }
    assert "operators" not in selection.setting
    assert selection.setting["variant"] == "4"
    assert len(choose(starts, by="init").runs.table) == 6  # of one kind of operators


def test_what_was_never_scored_is_no_comparison(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for model in ("tats", "cv_vae"):
        log = store.create(model, tags={**synthetic.TAGS, "model": model}, parent_id=None)
        log.finish(Status.FINISHED)
    with pytest.raises(NoRuns):
        choose(load(tmp_path), by="model")


def test_one_method_is_no_comparison(runs: Runs) -> None:
    with pytest.raises(NoRuns, match=r"differ in model alone; .* \+experiment=reconstruction$"):
        choose(runs, by="model")
