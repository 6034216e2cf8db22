"""Table 2 is the paper's, and ours beside it as soon as something was generated."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import generation, load
from odvae.tracking import Status, Store
from tests.analysis import synthetic


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Store.open(tmp_path)


def test_without_runs_the_paper_stands_alone(store: Store, tmp_path: Path) -> None:
    synthetic.add(store)
    selection = generation.select(load(tmp_path))
    assert selection is None
    png = generation.draw(selection, name="thirteen", folder=tmp_path / "made")
    assert {file.suffix for file in png.parent.iterdir()} == {".png", ".pdf", ".csv", ".md", ".tex"}
    table = pd.read_csv(png.with_suffix(".csv")).set_index(["method", "dataset", "metric"])
    assert set(table["source"]) == {"paper"}
    assert table.loc[("OD-VAE", "UCF101", "fvd"), "mean"] == 1315.13
    assert "no runs yet" in png.with_suffix(".md").read_text()


def test_what_was_generated_stands_above_the_paper(store: Store, tmp_path: Path) -> None:
    for seed in synthetic.SEEDS:
        log = store.resume(synthetic.add(store, seed=seed))
        log.metrics({"generation/fvd": 900.0 + seed, "generation/is": 30.0}, 100)
        log.finish(Status.FINISHED)
    selection = generation.select(load(tmp_path))
    assert selection is not None
    ours, papers = generation.as_texts(generation.numbers(selection))
    assert ours.rows == (("OD-VAE variant 4", "901.00 ± 2.48", "30.00 ± 0.00"),)
    assert "no runs yet" not in papers.note
    assert len(papers.rows) == 5
