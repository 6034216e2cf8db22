"""``task=benchmark``: measured once, found again, and kept apart from runs that score."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from odvae.anatomy import Clip, describe
from odvae.experiment.launch import JobSource
from odvae.model import ODVAE, Architecture, Compression
from odvae.tracking import LoggedRun, Store
from tests.command.commands import Ran, launch_here, run_here
from tests.inference.fake_vae import LosslessVAE
from tests.vaes.tiny_vaes import tiny

LINE = (
    "task=benchmark",
    "preset=smoke",
    "data.clip_frames=5",
    "data.size_px=16",
    "benchmark.repeats=2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second for the machine's rate, and no data at all."""

    def no_data(*_: object, **__: object) -> None:
        raise AssertionError("a benchmark opened the data")

    monkeypatch.setattr("odvae.experiment.benchmark_run.best_convolution_gflops", lambda _: 100.0)
    monkeypatch.setattr("odvae.experiment.heldout.HeldOut.open", no_data)


def _runs(folder: Path, **tags: str) -> list[LoggedRun]:
    return Store.open(folder / "outputs").find({"odvae.kind": "run", **tags})


def _measured(folder: Path, *arguments: str) -> LoggedRun:
    ran = run_here(folder, *LINE, *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.err
    return _runs(folder)[0]


@pytest.mark.slow
def test_it_is_measured_once_and_found_again(folder: Path) -> None:
    run = _measured(folder, "variant=3")
    tags = {"task": "benchmark", "variant": "3", "weights": "random", "accelerated": "false"}
    assert tags.items() <= run.tags.items()
    assert run.tags["hardware"].endswith("1 thread")
    assert run.params["model.width"] == "16" and run.params["coded_clip"] == "5x16x16"
    assert "train.steps" not in run.params and "seed" not in run.params
    architecture = Architecture(variant=3, width=16, blocks=1, norm_groups="channels/16")
    described = describe(architecture, Clip(5, 16, 16))
    metrics = {name.removeprefix("benchmark/"): value for name, value in run.metrics.items()}
    assert metrics["encode_gflop"] == pytest.approx(described.encoder.flops / 1e9)
    assert metrics["decode_gflop"] == pytest.approx(described.decoder.flops / 1e9)
    assert metrics["parameters_millions"] == described.summary.parameters / 1e6
    for side in ("encode", "decode"):
        speed = metrics[f"{side}_clips_per_s"]
        assert 0 < metrics[f"{side}_clips_per_s_low"] <= speed
        assert speed <= metrics[f"{side}_clips_per_s_high"]
        assert metrics[f"{side}_ms_per_frame"] == pytest.approx(1000 / speed / 5)
        rate = metrics[f"{side}_gflop"] * speed
        assert metrics[f"{side}_peak_fraction"] == pytest.approx(rate / 100.0)

    again = run_here(folder, *LINE, "variant=3", "seed=5", "train.steps=9")
    assert "Already finished" in again.out and len(_runs(folder, variant="3")) == 1
    assert run_here(folder, *LINE, "variant=3", "rerun=true").code == 0
    assert len(_runs(folder, variant="3")) == 2


@pytest.mark.slow
def test_a_sweep_logs_and_shows_every_case(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parallel = []

    def launch_and_count(*arguments: object, **options: object) -> None:
        parallel.append(options["parallel"])
        launch_here(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_and_count)
    line = (*LINE, "-m", "model=odvae,sd_vae", "benchmark.accelerate=false,true")
    ran = run_here(folder, *line)
    assert (ran.code, ran.err) == (0, ""), ran.err
    assert parallel == [1]
    (sweep,) = Store.open(folder / "outputs").find({"odvae.kind": "sweep"})
    runs = [run for run in _runs(folder) if run.parent_id == sweep.run_id]
    assert {(run.tags["model"], run.tags["accelerated"]) for run in runs} == {
        (model, fast) for model in ("odvae", "sd_vae") for fast in ("false", "true")
    }
    rows = [line.split() for line in ran.out.splitlines()]
    assert sum(row[:2] == ["variant", "4"] for row in rows) == 2
    assert sum(row[:1] == ["SD-VAE"] for row in rows) == 2
    assert "PSNR" not in ran.out and "paper's Table 1" not in ran.out
    table = Store.open(folder / "outputs").artifact(sweep.run_id, "benchmark.csv")
    assert len(table.read_text().splitlines()) == 1 + 4


def test_precisions_of_a_sweep_are_different_cases(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def launch_none(source: JobSource, **_: object) -> None:
        started.append(source.total)
        raise KeyboardInterrupt

    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_none)
    # A seed is no matter of speed.
    line = ("-m", "model=sd_vae", "seed=0,1", "trainer.precision=fp32,bf16")
    assert run_here(folder, *LINE, *line).code == 130
    assert started == [2]


def test_a_saved_model_is_measured_as_it_is(folder: Path) -> None:
    ODVAE.variant(2, width=16, blocks=1, norm_groups="channels/8").save(folder / "saved")
    run = _measured(folder, "checkpoint=saved")
    assert (run.tags["variant"], run.tags["weights"]) == ("2", "saved")
    assert (run.params["variant"], run.params["model.norm_groups"]) == ("2", "channels/8")


class _Small(LosslessVAE, nn.Module):
    """Stands for a VAE of diffusers; it takes every precision but bf16."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        LosslessVAE.__init__(self, Compression(4, 8, 8))

    def encode(self, video: Tensor) -> object:  # type: ignore[override]
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("no bf16\nin this model")
        return super().encode(video)


def test_a_rival_without_weights_and_one_that_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.contender.untrained", lambda _: _Small())
    run = _measured(folder, "model=wan", "data.clip_frames=6")
    assert (run.tags["weights"], run.tags["variant"]) == ("random", "")
    assert run.params["coded_clip"] == "9x16x16" and "model.width" not in run.params

    ran = run_here(folder, *LINE, "model=wan", "trainer.precision=bf16")
    assert (ran.code, ran.err) == (2, "odvae: no bf16 in this model\n")
    failed = _runs(folder)[0]
    assert (failed.status, failed.tags["error"]) == ("FAILED", "UserError: no bf16 in this model")


WRONG = {
    ("model=tats",): ("model=tats cannot be measured",),
    ("model=wan", "benchmark.accelerate=true"): ("for models of odvae", "model=wan"),
    ("model=svd_vae", "weights.svd_vae=rival", "benchmark.accelerate=true"): (
        "for models of odvae",
        "weights.svd_vae=rival",
    ),
    ("benchmark.repeats=0",): ("benchmark.repeats must be at least 1, got 0",),
    ("benchmark.batch=0",): ("benchmark.batch must be at least 1, got 0",),
    ("benchmark.threads=0",): ("benchmark.threads must be null or at least 1, got 0",),
    ("trainer.devices=2",): ("measures one process", "got 2 and 1"),
    ("checkpoint=nowhere",): ("checkpoint: nowhere: no such folder",),
    ("tiling=stream",): ("tiling=stream cannot be exact",),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.items())
def test_a_mistake_is_told_in_a_line(
    folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    if "weights.svd_vae=rival" in arguments:
        tiny("AutoencoderKLTemporalDecoder").save_pretrained(folder / "rival")
    ran: Ran = run_here(folder, *LINE, *arguments)
    assert ran.code == 2 and ran.err.count("\n") == 1
    for word in words:
        assert word in ran.err
