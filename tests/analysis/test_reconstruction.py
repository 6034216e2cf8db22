"""Methods stand beside the paper's, and nothing says more than was measured."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import Runs, choose, reconstruction, record
from analysis.method_table import as_texts, numbers
from analysis.methods import method_label, weights_label
from analysis.tables import markdown
from odvae.tracking import Status, Store
from tests.analysis import synthetic

LAST = synthetic.STEPS[-1]
SD_VAE = "SD-VAE (image VAE per frame)"


def test_measured_and_papers_numbers_are_told_apart(methods: Runs, tmp_path: Path) -> None:
    png = reconstruction.draw(choose(methods, by="model"), name="six", folder=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        f"six.{suffix}" for suffix in ("png", "pdf", "csv", "md", "tex")
    }
    assert png.read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(png.with_suffix(".csv"))
    psnr = table[table["metric"] == "psnr_db"].set_index(["source", "method", "dataset"])["mean"]
    clips = f"synthetic {synthetic.TAGS['protocol']}"
    ours = [synthetic.final_db("4", "tail", seed, LAST) for seed in synthetic.SEEDS]
    mean_db = sum(ours) / len(ours)
    assert psnr["measured", "OD-VAE variant 4", clips] == pytest.approx(mean_db, rel=1e-5)
    gain_db = synthetic.RIVAL_DB["sd_vae"]
    assert psnr["measured", SD_VAE, clips] == pytest.approx(mean_db + gain_db, rel=1e-5)
    wan_db = ours[0] + synthetic.WAN_DB
    assert psnr["measured", "Wan, saved weights", clips] == pytest.approx(wan_db, rel=1e-5)
    assert psnr["reference", "image VAE as it came", clips] == 22.4
    assert psnr["paper", "OD-VAE", "WebVid-10M val"] == 31.16
    assert len(psnr["paper"]) == 7 * 2


def test_intervals_are_over_seeds_of_training(methods: Runs) -> None:
    table = numbers(choose(methods, by="model"))
    psnr = table[(table["metric"] == "psnr_db") & (table["source"] == "measured")]
    psnr = psnr.set_index("method")
    trained = psnr["weights"] == "trained here"
    assert list(psnr.loc[trained, "seeds"].unique()) == [3]
    assert (psnr.loc[trained, "low"] < psnr.loc[trained, "mean"]).all()
    assert psnr.loc[~trained, ["low", "high"]].isna().all().all()
    assert psnr.loc["Wan, saved weights", "weights"] == "Wan-AI/Wan2.1/vae"
    assert table.loc[table["metric"] == "vcpr", ["low", "high"]].isna().all().all()


def test_the_markdown_has_a_row_a_method_and_the_papers_below(methods: Runs) -> None:
    text = markdown(as_texts(numbers(choose(methods, by="model"))))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    first = [row[0] for row in rows]
    assert first == [
        "method",
        "---",
        SD_VAE,
        f"{SD_VAE}, saved weights",
        "SVD-VAE's kind (own temporal decoder)",
        "OD-VAE variant 1",
        "OD-VAE variant 4",
        "Wan, saved weights",
        "image VAE as it came",
        "bicubic, 8x",
        "mean colour",
        "method",
        "---",
        *("VQGAN", "SD-VAE", "SVD-VAE", "TATS", "CV-VAE", "OPS-VAE", "OD-VAE"),
    ]
    assert rows[2][1:4] == ["trained here", "64", "3.80"]
    assert rows[first.index("TATS")][-1] == "no: paper only"
    assert rows[-1][1:4] == ["256", "239.19", "31.16"]
    assert "compare orders, not values" in text
    assert "not Stability's network" in text


@pytest.mark.parametrize(
    ("tags", "label", "weights"),
    [
        ({}, "OD-VAE variant 4", "trained here"),
        ({"operators": "strict"}, "OD-VAE variant 4, strict", "trained here"),
        (
            {"operators": "strict_trilinear"},
            "OD-VAE variant 4, strict trilinear",
            "trained here",
        ),
        ({"task": "evaluate"}, "OD-VAE variant 4, saved weights", "saved model"),
        ({"model": "svd_vae"}, "SVD-VAE's kind (own temporal decoder)", "trained here"),
        (
            {"model": "svd_vae", "task": "evaluate", "weights": "stabilityai/svd/vae"},
            "SVD-VAE, saved weights",
            "stabilityai/svd/vae",
        ),
        (
            {"model": "svd_vae", "task": "evaluate", "weights": "own"},
            "SVD-VAE's kind (own temporal decoder), saved weights",
            "trained by odvae",
        ),
        (
            {"model": "sd_vae", "task": "evaluate", "weights": "own"},
            f"{SD_VAE}, saved weights",
            "image VAE bundled",
        ),
        ({"model": "made_later"}, "made_later", "trained here"),
    ],
)
def test_labels_promise_no_more_than_there_is(
    tags: dict[str, str], label: str, weights: str
) -> None:
    every = {"task": "train", "model": "odvae", "weights": "", "variant": "4"}
    every |= {"operators": "paper", "image_vae": "bundled"} | tags
    assert method_label(every) == label
    assert weights_label(every) == weights


def test_runs_of_methods_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = Store.open(tmp_path / "outputs")
    for model in ("odvae", "sd_vae"):
        run_id = synthetic.add(store, tags={"model": model})
        log = store.resume(run_id)
        log.text('{"python": "3.11"}', "environment.json")
        log.finish(Status.FINISHED)
    to = tmp_path / "results"
    options = ["--by", "model", "--output-dir", str(tmp_path / "outputs"), "--to", str(to)]
    assert record.main(options) == 0
    assert capsys.readouterr().out.startswith("2 runs: ")
    assert list(pd.read_csv(to / "runs.csv")["model"]) == ["odvae", "sd_vae"]
