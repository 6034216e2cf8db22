"""``task=generate``: a VAE, trained first where there is none, and a denoiser on its latents."""

import signal
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from odvae.data import read_frames
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.saved_denoiser import load_denoiser
from odvae.model import ODVAE
from odvae.tracking import LoggedRun, Store
from tests.command.commands import QUICK, Ran, run_here, start
from tests.command.processes import wait
from tests.data.made_sources import make_ucf101
from tests.data.made_videos import FORMATS, make_video

LINE = (
    "task=generate",
    *QUICK,
    "metrics.protocol.frechet=[untrained_r3d18]",
    "data=folder",
    "data.path=videos",
    "data.size_px=16",
    "data.short_side_px=24",
    "data.eval_clips=2",
    "trainer.precision=fp32",
)
FOUND = (  # of every generation, besides what the denoiser's training tells
    "clips",
    "latent_values",
    "denoiser_parameters_millions",
    "train_memory_mb",
    "train_steps_per_s",
    "validation_loss",
    "fvd_untrained_r3d18_generation",
    "kvd_untrained_r3d18_generation",
    "nearest_psnr_db",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, and a model."""
    folder = tmp_path_factory.mktemp("generation")
    (folder / "videos").mkdir()
    for number in range(2):
        path = folder / "videos" / f"{number}.mkv"
        make_video(path, 40, FORMATS["mkv, lossless"], first_number=40 * number)
    torch.manual_seed(0)
    ODVAE.variant(4, width=8, blocks=1, norm_groups=4).save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def generated(folder: Path) -> Ran:
    return run_here(folder, *LINE, "checkpoint=model")


def _runs(folder: Path, **tags: str) -> list[LoggedRun]:
    return Store.open(folder / "outputs").find(tags)


def test_it_logs_a_generation_beside_the_reconstruction(folder: Path, generated: Ran) -> None:
    assert (generated.code, generated.err) == (0, "")
    (run,) = _runs(folder, task="generate")
    logged = {name.removeprefix("generation/") for name in run.metrics if "generation/" in name}
    assert logged >= set(FOUND), set(FOUND) - logged
    assert run.metrics["eval/psnr_db"] > 0
    latents = 4 * 2 * 2 * 2  # channels, latent frames of 5, sides of 16 px
    assert run.metrics["generation/latent_values"] == latents
    assert len(run.tags["generation.protocol"]) == 8
    assert "fvd_untrained_r3d18" in run.tags["generation.facts"]
    assert run.tags["frechet_generation_rank_deficient"] == "True"
    curve = Store.open(folder / "outputs").history(run.run_id, "generation/validation_loss")
    assert [step for step, _ in curve] == [4]


def test_it_leaves_samples_and_the_denoiser(folder: Path, generated: Ran) -> None:
    (run,) = _runs(folder, task="generate")
    store = Store.open(folder / "outputs")
    for number in range(2):
        path = store.artifact(run.run_id, f"samples/sample_{number:05d}.mp4")
        assert read_frames(path, 0, count=5).shape == (5, 16, 16, 3)
    for sheet in ("samples.png", "nearest.png"):
        assert store.artifact(run.run_id, sheet).stat().st_size > 0
    place = store.artifact(run.run_id, "denoiser/config.json").parent
    denoiser, config = load_denoiser(place)
    assert (denoiser.size.name, denoiser.shape, denoiser.classes) == ("tiny", (4, 2, 2, 2), None)
    trained = DiffusionConfig(
        prediction=Prediction.v_prediction, batch=4, learning_rate=2e-3, ema_decay=0.9
    )
    assert config["diffusion"] == asdict(trained) | {"prediction": "v_prediction"}
    saved = load_file(place / "model.safetensors")
    assert_close(dict(denoiser.state_dict()), saved, rtol=0, atol=0)
    assert saved["transformer.proj_out.weight"].abs().max() > 0  # it starts at zeros


def test_the_same_command_does_nothing(folder: Path, generated: Ran) -> None:
    again = run_here(folder, *LINE, "checkpoint=model")
    assert again.code == 0 and "Already finished" in again.out
    assert len(_runs(folder, task="generate")) == 1


@pytest.mark.slow
def test_nothing_is_encoded_twice(folder: Path, generated: Ran) -> None:
    """Another denoiser on the same latents."""
    longer = run_here(folder, *LINE, "checkpoint=model", "generation.steps=5")
    assert longer.code == 0
    assert "all were there already" in longer.out
    assert "all were there already" not in generated.out


@pytest.mark.slow
def test_it_takes_the_vae_that_a_run_has_trained(folder: Path) -> None:
    training = ("init=random", "train.steps=1", "data.clip_frames=5")
    of_training = [word for word in LINE if not word.startswith("task=")]
    first = run_here(folder, *of_training, *training)
    assert first.code == 0, first.err
    (trained,) = _runs(folder, task="train")
    ran = run_here(folder, *LINE, *training)
    assert ran.code == 0, ran.err
    said = " ".join(ran.out.split())
    assert "odvae trains one with this command's budget (1 steps), or takes the one" in said
    assert "model=odvae: trained before, outputs/runs/" in said
    assert [run.run_id for run in _runs(folder, task="train")] == [trained.run_id]
    (run,) = _runs(folder, task="generate", init="random")
    assert run.tags["weights.path"].endswith("vae")
    assert run.metrics["eval/psnr_db"] == pytest.approx(trained.metrics["eval/psnr_db"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["denoiser.size=huge"], "denoiser.size must be one of tiny, mini, S/2, B/2, L/2, XL/2"),
        (["sampling.guidance=4"], "sampling.guidance must be 1 without classes, got 4.0: data="),
        (["generation.clip_frames=81"], "a clip spans 81 frames, and the longest video"),
        (["generation.samples=1"], "generation.samples must be at least 2, got 1"),
        (["generation.frame_stride=0"], "generation.frame_stride must be null or at least 1"),
        (["sampling.steps=1001"], "sampling.steps must be at most diffusion.noise_steps=1000"),
        (["trainer.accumulate=3"], "diffusion.batch must be a multiple of trainer.devices"),
        (["model=tats"], "model=tats cannot make latents: no maintained library"),
        (["data=webdataset"], "which data=webdataset does not"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    folder: Path, words: list[str], said: str
) -> None:
    ran = run_here(folder, *LINE, *words)
    assert ran.code == 2 and said in ran.err, ran.err


@pytest.mark.slow
def test_classes_guide_the_samples(tmp_path: Path) -> None:
    videos, lists = make_ucf101(tmp_path)
    ODVAE.variant(4, width=8, blocks=1, norm_groups=4).save(tmp_path / "model")
    line = [word for word in LINE if not word.startswith("data")]
    source = ("data=ucf101", f"data.path={videos}", f"data.lists={lists}", "data.frame_stride=1")
    size = ("data.size_px=16", "data.short_side_px=24", "data.eval_clips=2")
    ran = run_here(tmp_path, *line, *source, *size, "checkpoint=model", "sampling.guidance=3")
    assert (ran.code, ran.err) == (0, "")
    (run,) = _runs(tmp_path, task="generate")
    place = Store.open(tmp_path / "outputs").artifact(run.run_id, "denoiser/config.json").parent
    denoiser, _ = load_denoiser(place)
    assert denoiser.classes is not None and denoiser.classes > 1


def _start_and_kill(folder: Path, *line: str) -> None:
    """Kill the command right after it has written a checkpoint of its own."""
    known = set(folder.glob("killed/runs/*/checkpoints/state_*.pt"))
    process = start(folder, *line)
    wait(lambda: not known >= set(folder.glob("killed/runs/*/checkpoints/state_*.pt")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it had ended before"


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_denoiser(folder: Path) -> None:
    line = (
        *LINE,
        "checkpoint=model",
        "metrics.protocol.frechet=[]",
        "generation.steps=60",
        "train.checkpoint_every_s=0",
        "generation.samples=2",
    )
    assert run_here(folder, *line, "output_dir=whole").code == 0
    for _ in range(3):
        _start_and_kill(folder, *line, "output_dir=killed")
    assert run_here(folder, *line, "output_dir=killed").code == 0
    weights = [
        load_file(next((folder / place).glob("runs/*/denoiser/model.safetensors")))
        for place in ("whole", "killed")
    ]
    assert_close(*weights, rtol=0, atol=0)


@pytest.mark.slow
def test_two_processes_train_as_one_does(folder: Path) -> None:
    line = (*LINE, "checkpoint=model", "metrics.protocol.frechet=[]", "generation.steps=6")
    weights = []
    for devices in (1, 2):
        where = f"output_dir=by{devices}"
        process = start(folder, *line, where, f"trainer.devices={devices}")
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        file = next((folder / f"by{devices}").glob("runs/*/denoiser/model.safetensors"))
        weights.append(load_file(file))
    assert_close(*weights, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_denoiser_overfits_one_clip(folder: Path) -> None:
    """Its samples are that clip's own reconstruction: the whole path is right."""
    ran = run_here(
        folder,
        "task=generate",
        "preset=laptop",
        "init=tail",
        "train.steps=0",  # the bundled image VAE, inflated
        "metrics.protocol.lpips=[]",
        "metrics.protocol.frechet=[]",
        "losses.lpips_weight=0",
        "data.eval_clips=2",
        "latents.clips=1",
        "generation.steps=500",
        "generation.samples=4",
        "generation.curve_points=1",
        "output_dir=overfit",
    )
    assert ran.code == 0, ran.err
    (run,) = Store.open(folder / "overfit").find({"task": "generate"})
    assert run.metrics["generation/nearest_psnr_db"] > 20
