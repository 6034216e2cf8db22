"""Every figure is written with its numbers and says what its runs share."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis import Runs, Selection, choose, comparison, cost, curves, frame_position, load
from analysis.looks import evaluation_metrics, in_order, looks, perceptual_metric
from analysis.page import describe
from analysis.selection import Factor
from odvae.tracking import Store
from tests.analysis import synthetic

Draw = Callable[..., Path]


def _drawn(draw: Draw, selection: Selection, folder: Path) -> pd.DataFrame:
    png = draw(selection, name="figure", folder=folder / "made")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    return pd.read_csv(png.with_suffix(".csv"), dtype={"level": str, "variant": str})


@pytest.mark.parametrize("by", ["variant", "init"])
def test_comparison(runs: Runs, tmp_path: Path, by: Factor) -> None:
    selection = choose(runs, by=by)
    table = _drawn(comparison.draw, selection, tmp_path)
    assert list(table["metric"].unique()) == [
        "psnr_db",
        "ssim",
        "lpips_squeeze",
        "fvd_untrained_r3d18",
    ]
    psnr = table[table["metric"] == "psnr_db"].set_index("level")
    assert list(psnr.index) == selection.levels
    last = synthetic.STEPS[-1]
    mean = sum(synthetic.final_db("4", "tail", seed, last) for seed in synthetic.SEEDS) / 3
    baseline = comparison.BASELINES[by]
    assert psnr.loc[baseline, "mean"] == pytest.approx(mean, rel=1e-5)
    assert psnr.loc[baseline, "difference_mean"] == 0
    assert (psnr["low"] < psnr["mean"]).all()
    assert (psnr["seeds"] == 3).all()


def test_curves(runs: Runs, tmp_path: Path) -> None:
    table = _drawn(curves.draw, choose(runs, by="init"), tmp_path)
    assert set(table["metric"]) == {"psnr_db", "lpips_squeeze"}
    assert set(table["step"]) == set(synthetic.STEPS)
    start = table[(table["metric"] == "psnr_db") & (table["step"] == 0)]
    assert dict(zip(start["level"], start["mean"], strict=True)) == synthetic.START_DB


def test_frame_position(runs: Runs, tmp_path: Path) -> None:
    table = _drawn(frame_position.draw, choose(runs, by="init"), tmp_path)
    assert len(table) == 2 * 4 * synthetic.FRAMES
    before = table[(table["when"] == "before training") & (table["level"] == "inflate")]
    falls = before.sort_values("frame")["mean"].diff().dropna()
    assert falls.to_numpy() == pytest.approx(-0.45)


def test_cost_stands_beside_the_papers_own_columns(runs: Runs, tmp_path: Path) -> None:
    table = _drawn(cost.draw, choose(runs, by="variant"), tmp_path).set_index("variant")
    assert list(table["paper_encodes_per_s"]) == [2.15, 2.44, 4.13, 4.13]
    assert table.loc["3", "encode_clips_per_s"] == pytest.approx(24 * 1.02)
    assert table.loc["3", "encode_relative_to_1"] == pytest.approx(2.0)
    assert table.loc["3", "paper_encode_relative_to_1"] == pytest.approx(4.13 / 2.15, rel=1e-5)


def test_runs_without_some_numbers_are_still_drawn(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for variant in ("2", "4"):  # one seed, no variant 1
        synthetic.add(store, variant=variant)
    selection = choose(load(tmp_path), by="variant")
    table = _drawn(comparison.draw, selection, tmp_path)
    assert table[["low", "high"]].isna().all().all()
    assert _drawn(cost.draw, selection, tmp_path)["encode_relative_to_1"].isna().all()


def test_the_heading_says_what_the_runs_share(runs: Runs) -> None:
    words = describe(choose(runs, by="variant")).replace("\N{NO-BREAK SPACE}", " ")
    for part in ("preset laptop", "data synthetic", "paper operators", "initialisation tail"):
        assert part in words
    assert words.endswith(f"protocol {synthetic.TAGS['protocol']}, 3 seeds")


def test_levels_look_the_same_in_every_figure_and_never_alike() -> None:
    levels = ["7", "4", "1", "5", "2"]
    assert in_order("variant", levels) == ["1", "2", "4", "5", "7"]
    chosen = looks("variant", levels)
    assert chosen["4"] == looks("variant", ["4"])["4"]
    assert len({look.colour for look in chosen.values()}) == len(levels)
    assert len({look.marker for look in chosen.values()}) == len(levels)


def test_metrics_are_found_by_the_names_they_are_logged_under() -> None:
    names = ["train/loss", "eval/fvd", "eval/lpips_squeeze", "eval/ssim", "eval/lpips_alex"]
    names += ["eval/psnr_db", "eval/psnr_db_by_frame", "cost/wall_s", "reference/x/psnr_db"]
    expected = ["psnr_db", "ssim", "lpips_alex", "lpips_squeeze", "fvd"]
    assert evaluation_metrics(names) == expected
    assert perceptual_metric(names) == "lpips_alex"
    assert perceptual_metric(["eval/psnr_db"]) is None
