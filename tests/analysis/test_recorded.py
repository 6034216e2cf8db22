"""What is recorded in the repository draws the same figures as the runs it was recorded from."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from analysis import (
    NoRuns,
    Runs,
    choose,
    figure4,
    generated,
    load,
    load_benchmarks,
    load_generations,
    record,
)
from analysis.comparable import Factor
from analysis.recorded import RecordedRuns, source
from odvae.tracking import Status, Store
from tests.analysis import synthetic, synthetic_generations

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
ENVIRONMENT = {"processor": "a CPU", "gpu": None, "threads": 2, "python": "3.11"}
PLACE = "experiments/inits/results"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder whose runs say where they ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("logged")
        store = Store.open(folder)
        for seed in synthetic.SEEDS:
            for init in ("inflate", "tail"):
                log = store.resume(synthetic.add(store, init=init, seed=seed))
                log.text(json.dumps(ENVIRONMENT), "environment.json")
                log.finish(Status.FINISHED)
        return folder


@pytest.fixture(scope="module")
def recorded(logged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as files, in a folder of experiments."""
    folder = tmp_path_factory.mktemp("recorded") / "experiments"
    to = str(folder.parent / PLACE)
    options = ["--by", "init", "--output-dir", str(logged), "--to", to]
    assert record.main([*options, "--only", "data=synthetic"]) == 0
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder without runs."""
    return tmp_path_factory.mktemp("empty")


def test_a_record_holds_all_that_figures_read(logged: Path, recorded: Path, empty: Path) -> None:
    of_logged = choose(load(logged), by="init")
    of_recorded = choose(load(empty, recorded_dir=recorded), by="init")
    assert of_recorded.levels == of_logged.levels
    assert of_recorded.setting == of_logged.setting
    assert of_recorded.metrics == of_logged.metrics
    for metric in of_logged.metrics:
        _assert_same(of_recorded.last(metric), of_logged.last(metric))
        if metric.startswith(("eval/", "zero_step/", "latent/")):
            _assert_same(of_recorded.history(metric), of_logged.history(metric))


def _assert_same(some: pd.DataFrame, other: pd.DataFrame) -> None:
    keys = [str(name) for name in other if name != "value"]
    a, b = (t.sort_values(keys, ignore_index=True) for t in (some, other))
    pd.testing.assert_frame_equal(a, b, rtol=1e-7, check_dtype=False)


def test_the_figure_and_its_numbers_say_so(
    logged: Path, recorded: Path, empty: Path, tmp_path: Path
) -> None:
    words = f"recorded runs of {PLACE}, a CPU, 2 threads"
    assert choose(load(empty, recorded_dir=recorded), by="init").source == words
    assert choose(load(logged, recorded_dir=recorded), by="init").source == ""
    numbers = {}
    for output_dir in (logged, empty):
        runs = load(output_dir, recorded_dir=recorded)
        rows = figure4.select(runs, load_generations(output_dir, recorded_dir=recorded))
        png = figure4.draw(rows, name=output_dir.name, folder=tmp_path)
        numbers[output_dir] = pd.read_csv(png.with_suffix(".csv"))
    assert set(numbers[empty].pop("runs_from")) == {words}
    assert "runs_from" not in numbers[logged]
    _assert_same(*(t.rename(columns={"mean": "value"}) for t in numbers.values()))


def test_each_selection_falls_back_by_itself(logged: Path, recorded: Path, tmp_path: Path) -> None:
    runs = load(logged, recorded_dir=recorded)
    with pytest.raises(NoRuns, match=r"data=another that differ in init alone; make them"):
        choose(runs, by="init", only={"data": "another"})
    store = Store.open(tmp_path)
    for variant in ("1", "4"):
        synthetic.add(store, variant=variant)
    both = load(tmp_path, recorded_dir=recorded)
    assert choose(both, by="variant").source == ""
    assert choose(both, by="init").source.startswith("recorded runs of")


def test_a_run_recorded_twice_counts_once(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "experiments"
    for place in ("inits/results/one", "inits/results/two", "variants/results"):
        shutil.copytree(recorded / "inits" / "results", folder / place)
    other = folder / "variants" / "results" / "runs.csv"
    other.write_text("\n".join(other.read_text().splitlines()[:3]) + "\n")  # two of them
    table = RecordedRuns(folder).table
    assert len(table) == 6
    machine = "a CPU, 2 threads"
    assert (
        source(table["recorded_in"]) == f"recorded runs of experiments/inits/results/one, {machine}"
    )
    places = [("a",), ("b",)]
    assert source(places) == "recorded runs of a; b"


def test_of_runs_recorded_before_there_were_curves_the_ends_are_known(tmp_path: Path) -> None:
    folder = tmp_path / "experiments" / "old" / "results"
    folder.mkdir(parents=True)
    columns: dict[str, object] = {
        "run_id": ["x", "y"],
        "variant": ["1", "4"],
        "init": "tail",
        "seed": "0",
    }
    columns |= {"train.steps": 70, "operators": "paper", "preset": "laptop", "data": "bundled"}
    columns |= {"zero_step/psnr_db": [19.5, 19.75], "eval/psnr_db": [21.0, 21.5]}
    columns |= {"zero_step/psnr_db_by_frame": 17.0, "eval/psnr_db_by_frame": 18.0}
    columns |= {"eval/ssim": [0.5, None], "tiling": "off"}
    pd.DataFrame(columns).to_csv(folder / "runs.csv", index=False)
    runs = RecordedRuns(tmp_path / "experiments")
    assert runs.history("y", "eval/psnr_db") == [(0, 19.75), (70, 21.5)]
    assert runs.history("y", "eval/psnr_db_by_frame") == []
    assert runs.history("y", "eval/ssim") == runs.history("y", "train/loss") == []
    selection = choose(Runs(runs, runs.table), by="variant")
    assert selection.levels == ["1", "4"]
    assert selection.source == "recorded runs of experiments/old/results"


def test_no_records_are_no_runs(empty: Path, tmp_path: Path) -> None:
    runs = load(empty, recorded_dir=tmp_path)
    with pytest.raises(NoRuns):
        choose(runs, by="variant")
    assert load_benchmarks(empty, recorded_dir=tmp_path).table.empty


def test_runs_of_two_machines_are_not_recorded_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(tmp_path)
    for threads, init in enumerate(("tail", "inflate")):
        log = store.resume(synthetic.add(store, init=init))
        log.text(json.dumps(ENVIRONMENT | {"threads": threads}), "environment.json")
        log.finish(Status.FINISHED)
    options = ["--by", "init", "--output-dir", str(tmp_path), "--to", str(tmp_path / "to")]
    assert record.main(options) == 2
    assert "2 machines" in capsys.readouterr().err


def test_generations_are_recorded_apart_from_trainings(tmp_path: Path, empty: Path) -> None:
    store = Store.open(tmp_path / "outputs")
    for variant in ("1", "4"):
        synthetic.add(store, variant=variant)
        log = store.resume(synthetic_generations.add(store, variant=variant))
        log.text(json.dumps(ENVIRONMENT), "environment.json")
        log.finish(Status.FINISHED)
    folder = tmp_path / "experiments"
    options = ["--by", "variant", "--only", "task=generate", "--only", "data=synthetic"]
    options += ["--output-dir", str(tmp_path / "outputs")]
    options += ["--to", str(folder / "generation" / "results")]
    assert record.main(options) == 0
    of_logged = generated.largest(load_generations(tmp_path / "outputs"))
    runs = load_generations(empty, recorded_dir=folder)
    of_recorded = generated.largest(runs)
    place = "experiments/generation/results"
    assert of_recorded.source == f"recorded runs of {place}, a CPU, 2 threads"
    assert of_recorded.levels == of_logged.levels == ["1", "4"]
    assert of_recorded.setting == of_logged.setting
    assert generated.facts(of_recorded) == generated.facts(of_logged)
    for metric in ("loss", "validation_loss", synthetic_generations.FRECHET):
        a, b = (one.history(f"generation/{metric}") for one in (of_recorded, of_logged))
        _assert_same(a, b)
    _assert_same(*(one.last("generation/train_steps_per_s") for one in (of_recorded, of_logged)))
    with pytest.raises(NoRuns):
        choose(load(empty, recorded_dir=folder), by="variant")


def test_generations_are_compared_by_what_makes_a_vae(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--by", "objective", "--only", "task=generate", "--to", str(tmp_path)]
    assert record.main([*options, "--output-dir", str(tmp_path)]) == 2
    assert "one of variant, init, model for task=generate, got obj" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["variant", "init", "start", "model", "tiling"])
def test_the_records_of_this_repository_are_read(by: Factor) -> None:
    runs = RecordedRuns(EXPERIMENTS)
    selection = choose(Runs(runs, runs.table), by=by)
    assert selection.source.startswith("recorded runs of experiments/")
    assert len(selection.last("eval/psnr_db")) >= 4
