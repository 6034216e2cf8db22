"""The command from end to end: what it leaves in the store, what it repeats, what it resumes."""

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.image
import pytest
import torch
from torch.testing import assert_close

from odvae.config import field_names
from odvae.data import Manifest, probe
from odvae.experiment.score_tables import read_clips, read_frames
from odvae.model import load
from odvae.tracking import LoggedRun, Store
from odvae.training.objective import Losses, Place
from odvae.training.video_recipe import VideoLoss
from tests.command.commands import QUICK, Ran, launch_here, run_here
from tests.data.made_videos import FORMATS, make_video

STEPS = 4
ONE_RUN = (
    *QUICK,
    "data=folder",
    "data.path=../videos",
    "init=tail",
    "train.curve_points=2",
    "train.checkpoint_every_s=0",
    "train.max_bad_steps=1",
)
TAGS = ("variant", "init", "operators", "tiling", "preset", "task", "data", "image_vae", "seed")


@dataclass(frozen=True)
class Finished:
    """A folder in which ``ONE_RUN`` has been run."""

    folder: Path
    ran: Ran
    run: LoggedRun

    @property
    def store(self) -> Store:
        """Its store."""
        return Store.open(self.folder / "outputs")

    def again(self) -> list[LoggedRun]:
        """The run and its repetitions, newest first."""
        return self.store.find({"odvae.key": self.run.tags["odvae.key"]})

    def artifact(self, path: str) -> Path:
        """An artifact of the run."""
        return self.store.artifact(self.run.run_id, path)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "videos").mkdir()
    for number in range(2):
        name = f"{number}.mkv"
        make_video(root / "videos" / name, 24, FORMATS["mkv, lossless"], first_number=24 * number)
    return root


@pytest.fixture(scope="module")
def finished(root: Path) -> Finished:
    folder = root / "finished"
    folder.mkdir()
    ran = run_here(folder, *ONE_RUN)
    assert (ran.code, ran.err) == (0, "")
    (run,) = Store.open(folder / "outputs").runs()
    return Finished(folder, ran, run)


def test_a_run_is_recorded(finished: Finished) -> None:
    run = finished.run
    assert (run.status, run.name, run.parent_id) == ("FINISHED", " ".join(ONE_RUN), None)
    assert set(run.params) == {*field_names(), "parameters"}
    assert run.params["init.how"] == "tail"
    assert {name: run.tags[name] for name in TAGS} == {
        "variant": "4",
        "init": "tail",
        "operators": "paper",
        "tiling": "off",
        "preset": "smoke",
        "task": "train",
        "data": "folder",
        "image_vae": "bundled",
        "seed": "0",
    }
    assert {"odvae.key", "odvae.kind", "protocol", "git_commit"} < set(run.tags)
    assert {"image_vae.sha256", "lpips_loss", "frechet_rank_deficient"} < set(run.tags)
    places = ["eval", "zero_step", "image_vae"]
    places += [f"reference/{name}" for name in ("mean_colour", "bicubic_8x", "linear_time_4x")]
    for name in (f"{place}/{score}" for place in places for score in ("psnr_db", "ssim")):
        assert name in run.metrics
    costs = {name.removeprefix("cost/") for name in run.metrics if name.startswith("cost/")}
    per_second = {f"{what}_per_s" for what in ("train_steps", "encode_clips", "decode_clips")}
    costs_are = {*per_second, "parameters_millions", "vcpr", "peak_memory_mb", "wall_s"}
    assert costs == costs_are | {"data_wait_share"}


def test_a_run_has_its_curves(finished: Finished) -> None:
    def steps(metric: str) -> list[int]:
        return [step for step, _ in finished.store.history(finished.run.run_id, metric)]

    assert steps("eval/psnr_db") == [0, STEPS // 2, STEPS]
    for metric, first in {"psnr_db": 0, "ssim": 0, "flicker": 1}.items():
        for place in ("eval", "zero_step"):
            assert steps(f"{place}/{metric}_by_frame") == [*range(first, 5)]
    assert steps("train/loss") == steps("train/reconstruction") == steps("train/kl") == [STEPS]
    metrics = finished.run.metrics
    assert_close(metrics["train/loss"], metrics["train/reconstruction"] + metrics["train/kl"])


def test_a_run_leaves_artifacts(finished: Finished) -> None:
    config = json.loads(finished.artifact("config.json").read_text())
    assert set(config) == set(field_names()) and config["train.steps"] == STEPS
    environment = json.loads(finished.artifact("environment.json").read_text())
    assert environment["packages"]["torch"].startswith(torch.__version__.partition("+")[0])
    manifest = Manifest.from_json(finished.artifact("clips.json").read_text())
    protocol = json.loads(finished.artifact("protocol.json").read_text())
    assert (protocol["name"], protocol["manifest"]) == ("laptop", manifest.digest)
    assert finished.run.tags["protocol"] == protocol["fingerprint"]
    clips, origin = read_clips(finished.artifact("scores/clips.parquet"))
    frames, same_origin = read_frames(finished.artifact("scores/frames.parquet"))
    assert origin == same_origin and origin.fingerprint == finished.run.tags["protocol"]
    assert len(clips) == len(manifest.clips) and len(frames) == 5 * len(clips)
    for metric in ("psnr_db", "ssim", "flicker"):
        assert_close(finished.run.metrics[f"eval/{metric}"], float(clips[metric].mean()))
        assert_close(float(frames[metric].mean()), float(clips[metric].mean()))
    assert matplotlib.image.imread(finished.artifact("reconstruction.png")).std() > 0.1
    assert probe(finished.artifact("side_by_side.mp4")).frames == 5
    vae = load(finished.artifact("vae"))
    millions = sum(p.numel() for p in vae.parameters()) / 1e6
    assert_close(finished.run.metrics["cost/parameters_millions"], millions)


def test_a_run_is_told_at_the_terminal(finished: Finished) -> None:
    for words in ("variant 4", "tail", "image VAE", "bicubic 8x", "outputs/runs/", "mlflow.db"):
        assert words in finished.ran.out
    assert f"{finished.run.metrics['eval/psnr_db']:.2f}" in finished.ran.out


def test_the_same_command_again_does_nothing(finished: Finished) -> None:
    before = finished.again()
    ran = run_here(finished.folder, *ONE_RUN)
    assert ran.code == 0
    assert ran.out.lstrip().startswith("Already finished; rerun=true runs it again.")
    assert finished.again() == before


@dataclass
class Interruption:
    """Ctrl-C at one update; counts the updates that were begun."""

    at_step: int | None = None
    begun: list[int] = field(default_factory=list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Watch every loss of a training."""
        loss = VideoLoss.__call__

        def watched(self_: VideoLoss, video: torch.Tensor, place: Place) -> Losses:
            if place.step == self.at_step:
                raise KeyboardInterrupt
            self.begun.append(place.step)
            return loss(self_, video, place)

        patch.setattr(VideoLoss, "__call__", watched)


def test_an_interrupted_run_goes_on(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    Interruption(at_step=2).install(monkeypatch)
    ran = run_here(finished.folder, *ONE_RUN, "rerun=true")
    assert ran.code == 130
    assert ran.err == "odvae: interrupted; the same command resumes\n"
    interrupted = finished.again()[0]
    assert interrupted.status == "KILLED"
    assert interrupted.run_id != finished.run.run_id

    monkeypatch.undo()
    rest = Interruption()
    rest.install(monkeypatch)
    assert run_here(finished.folder, *ONE_RUN).code == 0
    assert rest.begun == [2, 3]  # not from the start
    run = finished.again()[0]
    assert (run.run_id, run.status) == (interrupted.run_id, "FINISHED")
    store = finished.store
    for metric in ("eval/psnr_db", "zero_step/psnr_db_by_frame", "train/loss"):
        whole = store.history(finished.run.run_id, metric)
        assert store.history(run.run_id, metric) == whole
    weights = load(store.artifact(run.run_id, "vae")).state_dict()
    assert_close(weights, load(finished.artifact("vae")).state_dict(), atol=0, rtol=0)


def test_a_sweep_is_the_parent_of_its_runs(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_here)
    ran = run_here(finished.folder, "-m", *ONE_RUN, "variant=2,4")
    assert (ran.code, ran.err) == (0, "")
    store = finished.store
    (sweep,) = (run for run in store.find({"odvae.kind": "sweep"}) if "variant=2,4" in run.name)
    assert (sweep.status, sweep.name) == ("FINISHED", " ".join((*ONE_RUN, "variant=2,4")))
    children = [run for run in store.runs() if run.parent_id == sweep.run_id]
    assert {run.tags["variant"]: run.status for run in children} == dict.fromkeys("24", "FINISHED")
    assert finished.again()[0] in children  # a run of no sweep is taken into the first that asks
    rows = list(csv.reader(io.StringIO(store.artifact(sweep.run_id, "summary.csv").read_text())))
    assert [row[0] for row in rows[1:4]] == ["variant 2", "variant 4", "image VAE"]
    assert matplotlib.image.imread(store.artifact(sweep.run_id, "comparison.png")).std() > 0.1
    assert "variant 2" in ran.out and "image VAE" in ran.out


@pytest.mark.slow
def test_one_job_may_fail_alone(finished: Finished) -> None:
    line = ("-m", *ONE_RUN, "train.learning_rate=3e-4,1e30")
    ran = run_here(finished.folder, *line)
    assert (ran.code, ran.err) == (1, "odvae: 1 of 2 jobs failed\n")
    told = " ".join(ran.out.split())
    assert told.count("was already finished") == 1
    assert (
        "failed: odvae: training: 1 steps in a row were not finite, also after a roll-back" in told
    )
    assert "variant 4 (failed)" in told
    store = finished.store
    (sweep,) = (run for run in store.find({"odvae.kind": "sweep"}) if "1e30" in run.name)
    assert sweep.status == "FAILED"
    children = {run.status: run for run in store.runs() if run.parent_id == sweep.run_id}
    failed = children["FAILED"]
    assert finished.again()[0].status == "FINISHED"
    assert failed.tags["error"].startswith("UserError: training: 1 steps in a row were not")


def _checkpoint(finished: Finished) -> str:
    folder = finished.folder / "outputs" / "runs" / finished.run.tags["odvae.key"][:12]
    return f"checkpoint={folder / 'vae'}"


def test_a_saved_model_is_evaluated(finished: Finished) -> None:
    line = (*ONE_RUN, "task=evaluate", _checkpoint(finished), "variant=2")
    ran = run_here(finished.folder, *line)
    assert (ran.code, ran.err) == (0, "")
    (run,) = finished.store.find({"task": "evaluate"})
    assert run.tags["variant"] == "4"  # the model's, whatever the command line says
    assert run.metrics["eval/psnr_db"] == finished.run.metrics["eval/psnr_db"]
    assert not any(name.startswith("tiling/") for name in run.metrics)  # clips went through whole


@pytest.mark.slow
def test_a_tiled_evaluation_is_certified(finished: Finished) -> None:
    """Against whole clips; frames 0-4 and 4-8, tiles of a quarter of a frame."""
    line = (*ONE_RUN, "task=evaluate", _checkpoint(finished), "data.clip_frames=9")
    tiles = ("tiling.group_frames=5", "tiling.tile_px=16", "tiling.overlap=0")
    ran = run_here(finished.folder, *line, "tiling=spatiotemporal", *tiles)
    assert (ran.code, ran.err) == (0, "")
    (run,) = finished.store.find({"tiling": "spatiotemporal"})
    assert 0 < run.metrics["tiling/max_abs_diff"] < 2
    assert 15 < run.metrics["tiling/psnr_db"] < 100
    profiles = {
        name: dict(finished.store.history(run.run_id, f"tiling/{name}"))
        for name in ("seam_error", "seam_error_px")
    }
    assert {name: [*profile] for name, profile in profiles.items()} == {
        "seam_error": [0, 1, 2, 3, 4],  # a seam before frame 5
        "seam_error_px": [*range(16)],  # seams before row and column 16
    }
    table = finished.store.artifact(run.run_id, "seams.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [float(row["mean_abs_diff"]) for row in rows] == [
        error for profile in profiles.values() for error in profile.values()
    ]
    png = finished.store.artifact(run.run_id, "seams.png")
    assert matplotlib.image.imread(png).std() > 0.01


@pytest.mark.slow
def test_a_tiling_may_go_without_its_certificate(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("odvae.experiment.certificate._compare", out_of_memory)
    line = (*ONE_RUN, "task=evaluate", _checkpoint(finished), "tiling=temporal")
    assert run_here(finished.folder, *line, "tiling.certificate=false").code == 0
    (without,) = finished.store.find({"tiling": "temporal"})
    assert "missing.certificate" not in without.tags
    ran = run_here(finished.folder, *line)
    assert ran.code == 0
    assert "no certificate of the tiling" in " ".join(ran.out.split())
    tried = finished.store.find({"tiling": "temporal"})[0]
    assert "does not fit" in tried.tags["missing.certificate"]
    assert tried.status == "FINISHED"
