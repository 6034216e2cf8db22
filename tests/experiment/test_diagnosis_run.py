"""What is said of what a run needs: weights, data, speed, memory."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from odvae.compose import compose_run
from odvae.config import RunConfig
from odvae.data import DataSource
from odvae.data.scan_manifest import ScanManifest
from odvae.experiment.diagnosis import model_weights, run_cost, speeds, videos
from odvae.experiment.diagnosis.finding import Finding, State
from odvae.experiment.dry_run import RunCost
from odvae.experiment.hardware import Hardware
from odvae.metrics.weights import WeightsStatus
from odvae.model import ODVAE, Initialisation
from odvae.scan import main as scan
from odvae.training import video_recipe
from odvae.training.checkpoint_file import estimated_bytes
from odvae.training.config import TrainConfig
from odvae.training.discriminator import PatchDiscriminator
from odvae.training.precision import Arithmetic, Precision
from tests.data.made_shards import make_shards, make_videos
from tests.data.made_sources import video
from tests.data.made_videos import FORMATS, damage_frame, make_video

CPU = Arithmetic(torch.device("cpu"), Precision.fp32)
GB = 10**9


def _config(folder: Path, *words: str) -> RunConfig:
    return replace(_composed(words), output_dir=str(folder))


@cache
def _composed(words: tuple[str, ...]) -> RunConfig:
    return compose_run(["preset=smoke", *words])


# -- weights -----------------------------------------------------------------------------------


def _row(name: str, used_for: str, path: Path | None = None, *refused: str) -> WeightsStatus:
    return WeightsStatus(name, used_for, path, 0 if name == "c3d" else 9, refused, f"get {name}")


def test_weights_that_a_run_would_miss() -> None:
    rows = [
        _row("alexnet", "lpips_alex", Path("/here")),
        _row("vgg16", "lpips_vgg"),
        _row("i3d", "fvd"),
        _row("c3d", "inception_score"),
    ]
    (sound,) = model_weights.judge(rows, {"lpips_alex"})
    assert sound.state is State.ok and sound.said.endswith("here: alexnet")
    (finding,) = model_weights.judge(rows, {"lpips_alex", "lpips_vgg", "inception_score"})
    assert finding.state is State.warning and "not here: vgg16" in finding.said
    assert "i3d" not in finding.said
    assert finding.remedy.startswith("odvae weights fetch vgg16;")
    assert finding.remedy.endswith("; get c3d")
    refused = list(model_weights.judge([_row("i3d", "fvd", None, "i3d refused")], set()))
    assert [finding.state for finding in refused] == [State.ok, State.warning]


def test_which_metrics_a_run_computes(tmp_path: Path) -> None:
    def metrics(*words: str) -> set[str]:
        return model_weights.metrics_of(_config(tmp_path, *words))

    assert metrics() == {"lpips_alex", "lpips_squeeze", "lpips_vgg"}  # 5 frames: too few for I3D
    assert "fvd" in metrics("data.clip_frames=17")
    assert metrics("losses.lpips_weight=0", "metrics.protocol.lpips=[]") == set()
    assert "warped_error" in metrics("metrics.warped_error=true")
    assert metrics("task=benchmark") == set()


def _model(folder: Path, *words: str) -> Finding:
    (finding,) = model_weights.look_at_model(_config(folder, *words))
    return finding


def test_the_model_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = tmp_path / "vae"
    ODVAE.variant(4, width=16, blocks=1, norm_groups="channels/16").save(vae)
    evaluate = ("task=evaluate", f"checkpoint={vae}")
    assert _model(tmp_path, *evaluate).state is State.ok
    (vae / "model.safetensors").write_bytes(b"\0" * 100)
    damaged = _model(tmp_path, *evaluate)
    assert damaged.state is State.problem and "damaged" in damaged.said
    assert _model(tmp_path, "task=evaluate", "checkpoint=nowhere").state is State.problem
    assert _model(tmp_path).state is State.ok  # the bundled image VAE
    assert _model(tmp_path, "init=random").state is State.ok
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub = ("task=evaluate", "model=wan", "weights.wan=some/vae")
    monkeypatch.delenv("ODVAE_OFFLINE", raising=False)
    assert _model(tmp_path, *hub).state is State.warning  # the run downloads it
    slip = (*hub[:2], "weights.wan=outputs/vea")
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _model(tmp_path, *slip).state is State.problem
    monkeypatch.setenv("ODVAE_OFFLINE", "1")
    assert _model(tmp_path, *hub).state is State.problem


# -- data --------------------------------------------------------------------------------------


def _looked(folder: Path, *words: str) -> dict[str, Finding]:
    return {one.subject: one for one in videos.look_at_videos(_config(folder, *words))}


def test_videos(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    words = ("data=folder", f"data.path={root}")
    assert _looked(tmp_path, *words)["data"].state is State.problem  # no such folder
    for number in range(4):
        video(root / f"{number}.mp4", first_number=number)
    found = _looked(tmp_path, *words)
    assert found["data"].state is State.ok and found["data"].said.startswith("4 videos;")
    assert "frames of 64x48" in found["reading"].said and "scan" not in found
    (root / "3.mp4").write_text("no video")
    some = _looked(tmp_path, *words)
    assert some["data"].state is State.warning and "3.mp4" in some["data"].said
    assert some["reading"].state is State.ok
    assert scan([*words, f"output_dir={tmp_path}"]) == 0
    assert "1 unreadable" in _looked(tmp_path, *words)["scan"].said
    for number in range(3):
        (root / f"{number}.mp4").write_text("no video")
    none = _looked(tmp_path, *words)
    assert none["data"].state is State.problem and "reading" not in none
    assert _looked(tmp_path, *words, "task=benchmark") == {}


def test_a_video_whose_end_is_damaged(tmp_path: Path) -> None:
    config = replace(_config(tmp_path).data, frame_stride=1)
    path = make_video(tmp_path / "v.avi", 30, FORMATS["avi"])
    seen = videos.Video(path.name, path)
    assert videos.why_not(seen, config) is None
    assert "too short" in str(videos.why_not(seen, replace(config, clip_frames=33)))
    damage_frame(path, 29)
    assert videos.why_not(seen, config) == "frame 29 does not decode"


def test_shards(tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "shards", make_videos(tmp_path, 4), per_shard=2)
    words = ("data=webdataset", f"data.path={shards}")
    found = _looked(tmp_path / "out", *words)
    assert found["data"].state is State.ok and found["data"].said.startswith("2 shards;")
    assert found["reading"].state is State.ok
    assert not (tmp_path / "out").exists()
    next(shards.glob("*.tar")).write_text("no tar")
    assert _looked(tmp_path / "out", *words)["data"].state is State.problem
    remote = _looked(tmp_path, "data=webdataset", "data.path='http://localhost/{0..3}.tar'")
    assert remote["data"].state is State.ok and "4 shards, by URL" in remote["data"].said


def test_a_scan_that_found_nothing_sound() -> None:
    nothing = ScanManifest(DataSource.folder, [])
    assert videos.judge_scan(nothing).state is State.ok


# -- speed and cost ----------------------------------------------------------------------------


def test_speeds() -> None:
    fast = speeds.judge_convolutions(400, CPU, slower_alone=1.2)
    assert fast.state is State.ok and "400 GFLOP/s (cpu, fp32)" in fast.said
    assert speeds.judge_convolutions(5, CPU, slower_alone=1).state is State.warning
    alone = speeds.judge_convolutions(400, CPU, slower_alone=10)
    assert alone.state is State.warning and alone.remedy.startswith("train.batch=2")
    assert (speeds.judge_disk(5).state, speeds.judge_disk(500).state) == (State.warning, State.ok)
    slow, quick = videos.judge_reading(10, 48, 64), videos.judge_reading(500, 48, 64)
    assert (slow.state, quick.state) == (State.warning, State.ok)


def test_convolutions_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "_BUDGET_S", 0.05)
    for batch in (1, 2):  # a single clip is held against two
        (finding,) = speeds.look_at_convolutions(_config(tmp_path, f"train.batch={batch}"))
        assert "GFLOP/s (" in finding.said


def test_a_disk_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    (finding,) = speeds.look_at_disk(_config(tmp_path))
    assert "MB a second" in finding.said and not list(tmp_path.iterdir())


COST = RunCost(
    hardware=Hardware(name="a machine", memory_bytes=16 * GB),
    precision=Precision.fp32,
    processes=1,
    sharing=2,
    flops_per_s=1e12,
    parameters=10**6,
    step_flops=1e12,
    memory_bytes=4 * GB,
    steps=7200,
    lpips=True,
    savings=("trainer.accumulate=8",),
)


def test_memory_of_a_run() -> None:
    def judged(free_gb: int) -> Finding:
        return run_cost.judge_memory(COST, free_bytes=free_gb * GB, total_bytes=16 * GB)

    assert judged(10).state is State.ok
    assert "8.0 GB of the 10.0 GB" in judged(10).said and "4.0 h" in judged(10).said
    assert judged(7).state is State.warning and "trainer.accumulate=8" in judged(7).remedy
    small = run_cost.judge_memory(COST, free_bytes=6 * GB, total_bytes=7 * GB)
    assert small.state is State.problem


def test_space_for_checkpoints_is_what_they_take(tmp_path: Path) -> None:
    vae = ODVAE.variant(4, width=16, blocks=1, norm_groups="channels/16")
    config = _config(tmp_path, "losses.adversarial.start_step=1")
    state = video_recipe.initial_state(
        vae, TrainConfig(), Initialisation.random, against=PatchDiscriminator()
    )
    for optimisers in state.optimisers.values():
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.zeros_like(parameter)
            optimiser.step()
    parameters = sum(parameter.numel() for parameter in vae.parameters())
    told = run_cost.checkpoint_bytes(config, parameters)
    assert told == pytest.approx(estimated_bytes(state.content()), rel=0.05)
    assert run_cost.judge_space(GB, kept=2, free_bytes=5 * GB).state is State.ok
    assert run_cost.judge_space(GB, kept=2, free_bytes=3 * GB).state is State.problem
