"""Speeds stand beside the quality of the same models, and of no others."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import NoRuns, load, load_benchmarks, speed
from analysis.record import record
from analysis.speed_table import cases, comparable
from odvae.tracking import Status, Store
from tests.analysis import synthetic

SIZES = {"model.width": "16", "model.blocks": "1"}
CLIP = {"data.clip_frames": "9", "data.size_px": "64", "benchmark.batch": "1"}


def _add(
    store: Store,
    *,
    encode: float,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    status: Status = Status.FINISHED,
) -> None:
    own = {
        "odvae.kind": "run",
        "task": "benchmark",
        "model": "odvae",
        "variant": "4",
        "operators": "paper",
        "tiling": "off",
        "precision": "fp32",
        "accelerated": "false",
        "weights": "random",
        "hardware": "a CPU, 2 threads",
    }
    log = store.create("benchmark", tags=own | (tags or {}), parent_id=None)
    log.params(SIZES | CLIP | (params or {}))
    values = {"machine_conv_gflops": 50.0, "parameters_millions": 2.8}
    for side, clips_per_s in (("encode", encode), ("decode", encode / 2)):
        values |= {
            f"{side}_clips_per_s": clips_per_s,
            f"{side}_clips_per_s_low": 0.9 * clips_per_s,
            f"{side}_clips_per_s_high": 1.1 * clips_per_s,
            f"{side}_ms_per_frame": 1000 / 9 / clips_per_s,
            f"{side}_peak_mb": 100 / clips_per_s,
            f"{side}_peak_fraction": clips_per_s / 50,
        }
    log.text('{"processor": "a CPU", "threads": 2}', "environment.json")
    log.metrics({f"benchmark/{name}": value for name, value in values.items()}, 0)
    log.finish(status)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Benchmarks and trainings of the same store."""
    folder = tmp_path_factory.mktemp("speeds")
    store = Store.open(folder)
    for variant, encode in (("1", 5.0), ("3", 9.0), ("4", 10.0)):
        _add(store, encode=encode / 2, tags={"variant": variant})  # measured again: below counts
        _add(store, encode=encode, tags={"variant": variant})
        fast = {"variant": variant, "accelerated": "true"}
        _add(store, encode=2 * encode, tags=fast)
    _add(store, encode=1.0, params={"model.width": "128"})
    rival = {"model": "wan", "variant": "", "operators": ""}
    _add(store, encode=3.0, tags=rival, params={"model.width": "", "model.blocks": ""})
    _add(store, encode=99.0, tags={"hardware": "another"})
    _add(store, encode=99.0, params={"data.size_px": "256"})
    _add(store, encode=99.0, tags={"variant": "2"}, status=Status.FAILED)
    sizes = {"model.blocks": "1"}
    for variant in ("1", "4"):
        for seed in (0, 1):
            synthetic.add(store, variant=variant, seed=seed, params=sizes)
    synthetic.add(store, init="random", params=sizes)
    return folder


@pytest.fixture(scope="module")
def table(folder: Path) -> pd.DataFrame:
    return cases(comparable(load_benchmarks(folder)), load(folder))


def test_the_newest_of_each_case_on_one_machine(table: pd.DataFrame) -> None:
    speeds = dict(zip(table["case"], table["encode_clips_per_s"], strict=True))
    assert speeds == {
        "OD-VAE variant 1, width 16": 5.0,
        "OD-VAE variant 1, width 16, accelerated": 10.0,
        "OD-VAE variant 3, width 16": 9.0,
        "OD-VAE variant 3, width 16, accelerated": 18.0,
        "OD-VAE variant 4, width 128": 1.0,
        "OD-VAE variant 4, width 16": 10.0,
        "OD-VAE variant 4, width 16, accelerated": 20.0,
        "Wan": 3.0,
    }


def test_quality_is_that_of_the_same_model(table: pd.DataFrame) -> None:
    last = synthetic.STEPS[-1]
    for variant in ("1", "4"):
        same = table[(table["variant"] == variant) & (table["model.width"] == "16")]
        ours = [synthetic.final_db(variant, "tail", seed, last) for seed in (0, 1)]
        assert list(same["psnr_db"]) == pytest.approx([sum(ours) / 2] * 2)
    known = table["psnr_db"].notna()
    assert set(table.loc[~known, "base"]) == {
        "OD-VAE variant 3, width 16",
        "OD-VAE variant 4, width 128",
        "Wan",
    }


def test_the_paper_stands_beside_plain_variants(table: pd.DataFrame) -> None:
    paper = table.dropna(subset=["paper_encode_clips_per_s"])
    assert set(paper["accelerated"]) == {"false"}
    by_variant = dict(zip(paper["variant"], paper["paper_encode_clips_per_s"], strict=True))
    assert by_variant == {"1": 2.15, "3": 4.13, "4": 4.13}


def test_figure_and_tables_are_written(table: pd.DataFrame, tmp_path: Path) -> None:
    png = speed.draw(table, name="nine", folder=tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in tmp_path.iterdir()} == {
        f"nine.{suffix}" for suffix in ("png", "pdf", "csv", "md", "tex")
    }
    text = png.with_suffix(".md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    (variant_3,) = (row for row in rows[:7] if row[0].startswith("OD-VAE variant 3"))
    assert variant_3[1:3] == ["9.000", "4.500"] and variant_3[-3:] == ["4.130", "1.92", "1.80"]
    assert "No run here scored OD-VAE variant 3" in text and "Wan" in text


def test_without_quality_the_bars_remain(table: pd.DataFrame, tmp_path: Path) -> None:
    bare = table.assign(psnr_db=float("nan"), quality="")
    assert speed.draw(bare, name="bare", folder=tmp_path).is_file()


def test_benchmarks_are_in_no_other_figure(folder: Path) -> None:
    assert "benchmark" not in set(load(folder).table["task"])
    with pytest.raises(NoRuns, match="task=benchmark"):
        comparable(load_benchmarks(folder), {"hardware": "a third"})


def test_records_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    """Each folder of results was measured by itself; of equal ones the newest stands."""
    for width in ("16", "128"):
        to = tmp_path / "experiments" / width / "results"
        record(folder, by="speed", only={"model.width": width}, to=to)
    recorded = load_benchmarks(tmp_path / "none", recorded_dir=tmp_path / "experiments")
    assert set(comparable(recorded)["model.width"]) == {"16"}  # of more cases
    assert set(comparable(recorded, {"model.width": "128"})["model.width"]) == {"128"}
