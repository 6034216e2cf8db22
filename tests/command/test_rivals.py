"""``model=...``: several methods evaluated side by side, with and without weights of their own."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import odvae
from odvae.model import ODVAE
from odvae.tracking import LoggedRun, Store
from tests.command.commands import QUICK, launch_here, run_here
from tests.data.made_videos import FORMATS, make_video

DATA = ("data=folder", "data.path=videos", "train.curve_points=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rivals")
    (folder / "videos").mkdir()
    for number in range(2):
        path = folder / "videos" / f"{number}.mkv"
        make_video(path, 24, FORMATS["mkv, lossless"], first_number=24 * number)
    torch.manual_seed(0)
    ODVAE.variant(4, width=16, blocks=1, norm_groups="channels/16").save(folder / "model")
    return folder


def _evaluate(folder: Path, *arguments: str) -> LoggedRun:
    ran = run_here(folder, *QUICK, *DATA, "task=evaluate", *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.err
    (key,) = re.findall(r"This run: outputs/runs/(\w+)", ran.out)
    runs = Store.open(folder / "outputs").find({"task": "evaluate"})
    return next(run for run in runs if run.tags["odvae.key"].startswith(key))


def test_the_runs_own_image_vae_stands_for_sd_vae(folder: Path) -> None:
    run = _evaluate(folder, "model=sd_vae", "checkpoint=model")
    assert (run.tags["model"], run.tags["weights"], run.tags["variant"]) == ("sd_vae", "own", "")
    assert run.metrics["cost/vcpr"] == 64


@pytest.mark.slow
def test_a_temporal_decoder_is_trained_once_and_then_found(folder: Path) -> None:
    run = _evaluate(folder, "model=svd_vae", "checkpoint=model")
    store = Store.open(folder / "outputs")
    (training,) = store.find({"task": "train", "model": "svd_vae"})
    assert training.status == "FINISHED"
    assert run.metrics["cost/vcpr"] == 64
    for score in ("psnr_db", "ssim"):
        assert run.metrics[f"eval/{score}"] == training.metrics[f"eval/{score}"]
    image = _evaluate(folder, "model=sd_vae", "checkpoint=model")
    assert_close(
        training.metrics["zero_step/psnr_db"], image.metrics["eval/psnr_db"], atol=1e-4, rtol=0
    )

    _evaluate(folder, "model=svd_vae", "checkpoint=model", "rerun=true")
    assert store.find({"task": "train", "model": "svd_vae"}) == [training]


@pytest.mark.slow
def test_a_sweep_over_methods_shows_measured_and_papers_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_here)
    line = (*QUICK, *DATA, "-m", "task=evaluate", "model=sd_vae,tats", "checkpoint=model")
    ran = run_here(folder, *line)
    assert (ran.code, ran.err) == (0, ""), ran.err
    rows = {line.split("  ")[0].strip(): line for line in ran.out.splitlines()}
    tats = rows["TATS: the paper's, WebVid-10M val"].split()
    assert tats[-4:] == ["52.19", "256", "23.10", "0.6758"]
    assert "other\nsettings" not in ran.out and "data.augment" not in ran.out
    assert "The paper's Table 1" in ran.out and rows["OD-VAE"].split()[-6:-3] == [
        "31.16",
        "0.8694",
        "0.0586",
    ]


@pytest.mark.slow
def test_operators_tell_models_of_the_same_tensors_apart(folder: Path) -> None:
    strict = folder / "strict"
    shutil.copytree(folder / "model", strict)
    config = (strict / "config.json").read_text()
    (strict / "config.json").write_text(config.replace('"paper"', '"strict"'))
    shutil.copytree(folder / "model", folder / "copy")
    paper, other, copy = (
        _evaluate(folder, f"checkpoint={name}") for name in ("model", "strict", "copy")
    )
    assert paper.metrics["eval/psnr_db"] != other.metrics["eval/psnr_db"]
    assert copy.run_id == paper.run_id  # wherever it lies


@pytest.mark.slow
def test_any_length_is_evaluated(folder: Path) -> None:
    run = _evaluate(folder, "checkpoint=model", "data.clip_frames=6")
    assert run.metrics["eval/psnr_db"] > 0
    assert len(Store.open(folder / "outputs").history(run.run_id, "eval/psnr_db_by_frame")) == 6


def test_what_cannot_be_had_shows_the_papers_numbers(folder: Path) -> None:
    run = _evaluate(folder, "model=tats")
    assert run.metrics["paper/WebVid-10M_val/psnr"] == 23.10
    assert not any(name.startswith("eval/") for name in run.metrics)
    assert "only the paper's" in run.tags["weights"]


WRONG = {
    ("model=wan", "task=train"): ("model=wan is not trained here", "odvae, sd_vae, svd_vae"),
    ("model=tats", "task=train"): ("model=tats is not trained here",),
    ("model=sd_vae", "weights.wan=model"): (
        "weights.wan=model is read with task=evaluate, benchmark, encode and generate only",
    ),
    ("task=evaluate", "model=sd_vae", "weights.sd_vae=model"): (
        "weights.sd_vae=model holds variant 4",
        "not model=sd_vae",
    ),
    ("task=evaluate", "model=wan", "weights.wan=model"): ("holds variant 4", "not model=wan"),
    ("task=evaluate", "model=sd_vae", "image_vae=sd", "image_vae.path=nowhere"): (
        "image_vae",
        "weights.sd_vae=PATH",
    ),
    ("task=evaluate", "model=odvae", "weights.wan=model"): ("checkpoint=PATH",),
    ("task=evaluate", "model=none"): ("model must be one of", "svd_vae", "'none'"),
    ("data.clip_frames=6",): ("data.clip_frames must be 1, 5, 9", "got 6"),
}


@pytest.mark.parametrize("arguments", WRONG)
def test_mistakes_are_told_in_one_line(folder: Path, arguments: tuple[str, ...]) -> None:
    before = (
        sorted((folder / "outputs" / "runs").glob("*")) if (folder / "outputs").exists() else []
    )
    ran = run_here(folder, *QUICK, *DATA, *arguments)
    assert ran.code == 2 and ran.err.count("\n") == 1, ran.err
    for words in WRONG[arguments]:
        assert words in ran.err
    assert sorted(folder.glob("outputs/runs/*")) == before


def test_weights_of_the_wrong_kind_are_told_apart_in_python(folder: Path) -> None:
    vae = odvae.load(folder / "model")
    assert str(vae.compression) == "4x8x8" and vae.compression.volume == 256
