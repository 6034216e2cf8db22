"""Every figure is written with its numbers and says what its runs share."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import image

from analysis import (
    NoRuns,
    Runs,
    Selection,
    choose,
    comparison,
    cost,
    figure4,
    frame_position,
    latents,
    load,
    load_generations,
    page,
)
from analysis.comparable import Factor
from analysis.looks import (
    evaluation_metrics,
    in_order,
    looks,
    perceptual_metric,
    sample_distance_label,
)
from analysis.page import describe
from odvae.tracking import Status, Store
from tests.analysis import synthetic, synthetic_generations

Draw = Callable[..., Path]


def _drawn(draw: Draw, selection: Selection, folder: Path) -> pd.DataFrame:
    png = draw(selection, name="figure", folder=folder / "made")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    return pd.read_csv(png.with_suffix(".csv"), dtype={"level": str, "variant": str})


@pytest.mark.usefixtures("painted")
def test_a_figure_is_painted_twice_from_one_layout(runs: Runs, tmp_path: Path) -> None:
    png = cost.draw(choose(runs, by="variant"), name="figure", folder=tmp_path)
    height_px, width_px, _ = image.imread(png).shape
    assert 1350 < width_px < 1500 and 300 < height_px < 700  # 7 inches of 200 px, and a margin
    pdf = png.with_suffix(".pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("by", ["variant", "init"])
def test_comparison(runs: Runs, tmp_path: Path, by: Factor) -> None:
    selection = choose(runs, by=by)
    table = _drawn(comparison.draw, selection, tmp_path)
    assert list(table["metric"].unique()) == [
        "psnr_db",
        "ssim",
        "lpips_squeeze",
        "flicker",
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


def test_figure_4_has_a_row_by_variant_and_one_by_initialisation(
    runs: Runs, generations: Runs, tmp_path: Path
) -> None:
    png = figure4.draw(figure4.select(runs, generations), name="figure", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv"))
    sampled = table["metric"] == synthetic_generations.FRECHET
    assert set(table.loc[sampled, "by"]) == {"variant", "init"}
    assert set(table.loc[sampled, "step"]) == set(synthetic_generations.LOOKS)
    table = table[~sampled]
    assert set(table["metric"]) == {"psnr_db", "lpips_squeeze"}
    assert set(table["step"]) == set(synthetic.STEPS)
    assert set(table.loc[table["by"] == "variant", "level"]) == {"1", "2", "3", "4"}
    start = table[(table["metric"] == "psnr_db") & (table["step"] == 0) & (table["by"] == "init")]
    assert dict(zip(start["level"], start["mean"], strict=True)) == synthetic.START_DB


def test_figure_4_is_drawn_of_one_row_but_not_of_none(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(NoRuns, match="experiment=variants"):
        figure4.select(load(tmp_path), load_generations(tmp_path))
    for variant in ("1", "4"):
        synthetic.add(store, variant=variant)
    rows = figure4.select(load(tmp_path), load_generations(tmp_path))
    assert set(rows) == {"variant"} and rows["variant"].generated is None
    png = figure4.draw(rows, name="figure", folder=tmp_path)
    assert set(pd.read_csv(png.with_suffix(".csv"))["metric"]) == {"psnr_db", "lpips_squeeze"}


def test_figure_4_tells_fvd_from_other_distances(generations: Runs, tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for variant in ("1", "4"):
        log = store.resume(synthetic_generations.add(store, variant=variant))
        log.metrics({"generation/fvd_generation": 900.0}, 600)
        log.finish(Status.FINISHED)
    of_i3d = figure4.select(load(tmp_path), load_generations(tmp_path))["variant"]
    assert of_i3d.trained is None and of_i3d.distance == "fvd_generation"
    assert sample_distance_label("fvd_generation") == "FVD, I3D ↓"
    untrained = figure4.select(load(tmp_path), generations)["variant"]
    assert untrained.distance == synthetic_generations.FRECHET
    assert "FVD" not in sample_distance_label(synthetic_generations.FRECHET)


def test_figure_4_says_which_command_makes_its_panels(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(page, "say", lambda axes, title, text: said.append(text))
    figure4.draw(figure4.select(runs, load_generations(tmp_path)), name="x", folder=tmp_path)
    assert said == [
        "no generations by variant yet; make them: "
        "python -m odvae.run -m task=generate variant=1,2,3,4 init=tail",
        "no generations by initialisation yet; make them: "
        "python -m odvae.run -m task=generate init=random,inflate,tail",
    ]


def test_frame_position(runs: Runs, tmp_path: Path) -> None:
    table = _drawn(frame_position.draw, choose(runs, by="init"), tmp_path)
    psnr = table[table["metric"] == "psnr_db"]
    assert len(psnr) == 2 * 4 * synthetic.FRAMES
    before = psnr[(psnr["when"] == "before training") & (psnr["level"] == "inflate")]
    falls = before.sort_values("frame")["mean"].diff().dropna()
    assert falls.to_numpy() == pytest.approx(-0.45)
    flicker = table[table["metric"] == "flicker"]
    assert set(flicker["when"]) == {"after training"}  # nobody looked at it before
    assert set(flicker["frame"]) == set(range(1, synthetic.FRAMES))


def test_latents(runs: Runs, tmp_path: Path) -> None:
    table = _drawn(latents.draw, choose(runs, by="variant"), tmp_path)
    assert list(table.loc[table["metric"] == "kl_per_value", "mean"]) == [1.6] * 4
    memory = table[(table["metric"] == "autocorrelation_by_lag") & (table["level"] == "4")]
    assert list(memory.sort_values("step")["mean"]) == pytest.approx([1, 0.9, 0.81])
    assert "std_by_frame" not in set(table["metric"])  # nobody logged it


def test_cost_stands_beside_the_papers_own_columns(runs: Runs, tmp_path: Path) -> None:
    table = _drawn(cost.draw, choose(runs, by="variant"), tmp_path).set_index("variant")
    assert list(table["paper_encodes_per_s"]) == [2.15, 2.44, 4.13, 4.13]
    assert table.loc["3", "encode_clips_per_s"] == pytest.approx(24 * 1.02)
    assert table.loc["3", "encode_relative_to_1"] == pytest.approx(2.0)
    assert table.loc["3", "paper_encode_relative_to_1"] == pytest.approx(4.13 / 2.15, rel=1e-5)
    assert list(table["paper_train_steps_per_s"]) == [1.26, 1.38, 1.80, 1.80]
    text = (tmp_path / "made" / "figure.md").read_text()
    assert "| 3 | 3.60 | 24.48 | 2.00 |" in text
    assert "Compare orders and ratios" in text


def test_runs_without_some_numbers_are_still_drawn(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for variant in ("2", "4"):  # one seed, no variant 1
        synthetic.add(store, variant=variant)
    selection = choose(load(tmp_path), by="variant")
    table = _drawn(comparison.draw, selection, tmp_path)
    assert table[["low", "high"]].isna().all().all()
    assert _drawn(cost.draw, selection, tmp_path)["encode_relative_to_1"].isna().all()


def test_a_distance_of_too_few_clips_is_marked(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for variant in ("1", "4"):
        synthetic.add(store, variant=variant, tags={"frechet_rank_deficient": "True"})
    selection = choose(load(tmp_path), by="variant")
    assert selection.mark("fvd_untrained_r3d18") == "rank-deficient"
    assert selection.mark("kvd") == selection.mark("psnr_db") == ""


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
    names += ["eval/kvd_untrained_r3d18", "eval/flicker", "eval/flicker_by_frame"]
    expected = ["psnr_db", "ssim", "lpips_alex", "lpips_squeeze", "flicker"]
    assert evaluation_metrics(names) == [*expected, "fvd", "kvd_untrained_r3d18"]
    assert perceptual_metric(names) == "lpips_alex"
    assert perceptual_metric(["eval/psnr_db", "eval/flicker"]) is None
