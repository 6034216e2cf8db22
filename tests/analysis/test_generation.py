"""Table 2 is the paper's, and ours beside it as soon as something was generated."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import Runs, generated, generation, generation_curves, generation_table
from analysis import load_generations as load
from odvae.tracking import Status, Store
from tests.analysis import synthetic_generations
from tests.analysis.synthetic_generations import FINGERPRINT, FRECHET

SD_VAE = "SD-VAE (image VAE per frame)"


def test_without_runs_the_paper_stands_alone(tmp_path: Path) -> None:
    selections = generation.select(load(tmp_path))
    assert selections == []
    png = generation.draw(selections, name="thirteen", folder=tmp_path / "made")
    assert {file.suffix for file in png.parent.iterdir()} == {".png", ".pdf", ".csv", ".md", ".tex"}
    table = pd.read_csv(png.with_suffix(".csv")).set_index(["method", "dataset", "metric"])
    assert set(table["source"]) == {"paper"}
    assert table.loc[("OD-VAE", "UCF101", "fvd_generation"), "mean"] == 1315.13
    speed = table.loc[("OD-VAE", "UCF101", "train_steps_per_s_ratio"), "mean"]
    assert speed == pytest.approx(1.80 / 0.87, rel=1e-5)
    memory = table.loc[("OD-VAE", "SkyTimelapse", "train_memory_mb_ratio"), "mean"]
    assert memory == pytest.approx(30834 / 74498, rel=1e-5)
    text = png.with_suffix(".md").read_text()
    assert "no runs yet; make them: python -m odvae.run -m task=generate model=" in text


def test_what_was_generated_stands_above_the_paper(generations: Runs, tmp_path: Path) -> None:
    selections = generation.select(generations)
    png = generation.draw(selections, name="thirteen", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv"))
    assert dict(table.groupby("protocol")["source"].first()) == {
        **{FINGERPRINT: "measured", "99999999": "measured"},
        **{"Table 2": "paper", "Table 3": "paper"},
    }
    ours = table[table["protocol"] == FINGERPRINT].set_index(["method", "metric"])
    assert ours.loc[(SD_VAE, "train_steps_per_s_ratio"), "mean"] == 1
    of_seeds = [1 / (0.4 + 0.01 * seed) for seed in (0, 1, 2)]
    of_image = [1 / (1.1 + 0.01 * seed) for seed in (0, 1)]
    expected = sum(of_seeds) / 3 / (sum(of_image) / 2)
    ratio = ours.loc[("OD-VAE variant 4", "train_steps_per_s_ratio"), "mean"]
    assert ratio == pytest.approx(expected, rel=1e-5)
    assert ours.loc[("OD-VAE variant 4", FRECHET), "mark"] == "rank-deficient"
    assert ours.loc[("OD-VAE variant 4", "latent_values"), "mean"] == 1280
    assert "fvd_generation" not in ours.index.get_level_values("metric")


def test_there_is_a_table_for_each_protocol(generations: Runs) -> None:
    texts = generation_table.as_texts(generation_table.numbers(generation.select(generations)))
    first, second, papers = texts
    assert first.caption == f"Generation protocol {FINGERPRINT}, measured."
    assert second.caption == "Generation protocol 99999999, measured."
    assert len(papers.rows) == 5 and "no runs yet" not in papers.note
    titles = [column.title for column in first.columns]
    assert "Fréchet distance, untrained net ↓ rank-deficient" in titles
    assert not any("FVD" in title for title in titles)
    assert first.rows[-2][:2] == (SD_VAE, "2")


def test_variants_stand_beside_the_papers_table_3(generations: Runs) -> None:
    selection = generated.largest(generations, by=["variant"])
    ours, _ = generation_table.as_texts(generation_table.numbers([selection]))
    group = "the paper's Table 3, UCF101"
    places = [place for place, column in enumerate(ours.columns) if column.group == group]
    assert [ours.columns[place].title for place in places] == ["training it/s", "times variant 1"]
    rows = {row[0]: [row[place] for place in places] for row in ours.rows}
    assert rows["variant 1"] == ["1.26", "1.00"] and rows["variant 4"] == ["1.80", "1.43"]


def test_scores_of_published_networks_are_called_by_their_names(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    tags = {"frechet_generation_rank_deficient": "False"}
    log = store.resume(synthetic_generations.add(store, tags=tags))
    log.metrics({"generation/fvd_generation": 900.0, "generation/inception_score": 30.0}, 600)
    log.finish(Status.FINISHED)
    ours, _ = generation_table.as_texts(generation_table.numbers(generation.select(load(tmp_path))))
    cells = dict(zip((column.title for column in ours.columns), ours.rows[0], strict=True))
    assert (cells["FVD ↓"], cells["IS ↑"]) == ("900.00", "30.00")
    groups = {column.group for column in ours.columns if "times" in column.title}
    assert groups == {"the paper's Table 3, UCF101"}  # there is nothing to hold ours against


def test_curves_are_over_steps_and_over_time(generations: Runs, tmp_path: Path) -> None:
    selection = generated.largest(generations)
    png = generation_curves.draw(selection, name="curves", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv"))
    losses = table[table["metric"] == "validation_loss"]
    assert set(losses["step"]) == set(synthetic_generations.LOOKS)
    assert set(losses["level"]) == set(selection.levels)
    history = selection.history("generation/validation_loss")
    seconds = generation_curves.in_seconds(selection, history)
    ends = seconds[seconds["level"] == SD_VAE].groupby("seed")["step"].max()
    rate = sum(1 / (1.1 + 0.01 * seed) for seed in (0, 1)) / 2
    assert list(ends) == pytest.approx([600 / rate] * 2)


def test_a_run_without_looks_has_its_training_loss_drawn(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    tags = {**synthetic_generations.TAGS, "variant": "4", "init": "tail", "seed": "0"}
    log = store.create("bare", tags=tags, parent_id=None)
    log.params({"denoiser.size": "tiny", "data.size_px": "64", "data.clip_frames": "9"})
    log.metrics({"generation/loss": 0.5, "generation/train_steps_per_s": 2.0}, 10)
    log.finish(Status.FINISHED)
    selection = generated.largest(load(tmp_path))
    png = generation_curves.draw(selection, name="curves", folder=tmp_path)
    assert set(pd.read_csv(png.with_suffix(".csv"))["metric"]) == {"loss", "train_steps_per_s"}
    assert generation.draw([selection], name="thirteen", folder=tmp_path).is_file()
