"""``task=encode``: once for each VAE and list of clips, logged, and never mistaken for scores."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import odvae
from odvae.data import read_frames, resize_short_side, to_pixels
from odvae.errors import UserError
from odvae.experiment.encode_run import EncodingJob
from odvae.generation.latent_cache import LatentCache
from odvae.generation.latent_filling import LatentFilling
from odvae.inference import Tiling
from odvae.model import ODVAE
from odvae.tracking import LoggedRun, Store
from tests.command.commands import Ran, launch_here, run_here
from tests.data.made_videos import FORMATS, make_video

LINE = (
    "task=encode",
    "preset=smoke",
    "data=folder",
    "data.path=videos",
    "data.size_px=16",
    "data.short_side_px=24",
    "latents.clips_per_shard=2",
    "trainer.precision=fp32",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, and two models."""
    folder = tmp_path_factory.mktemp("encoding")
    (folder / "videos").mkdir()
    for number in range(2):
        path = folder / "videos" / f"{number}.mkv"
        make_video(path, 24, FORMATS["mkv, lossless"], first_number=24 * number)
    torch.manual_seed(0)
    for name in ("model", "other"):
        ODVAE.variant(4, width=8, blocks=1, norm_groups=4).save(folder / name)
    return folder


def _encode(folder: Path, *arguments: str) -> Ran:
    ran = run_here(folder, *LINE, *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.err
    return ran


def _runs(folder: Path) -> list[LoggedRun]:
    return Store.open(folder / "outputs").find({"odvae.kind": "latents"})


def _caches(folder: Path) -> set[str]:
    return {path.name for path in (folder / "outputs" / "cache" / "latents").iterdir()}


def test_encoded_once_and_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _encode(folder, "checkpoint=model")
    assert "encoded 4 of 4 clips: outputs/cache/latents/" in first.out
    (run,) = _runs(folder)
    cache = LatentCache.open(Path(run.tags["latents.folder"]))
    assert cache.folder.name == run.tags["latents.key"][:16]
    logged = {name.removeprefix("latents/"): value for name, value in run.metrics.items()}
    assert logged.pop("seconds_per_clip") > 0
    assert logged == {
        "samples": 4,
        "encoded": 4,
        "bytes": sum(file.stat().st_size for file in cache.folder.glob("*.safetensors")),
        "fitted_scale": pytest.approx(cache.scaling.scale[0]),
    }
    assert (run.status, run.tags["variant"], run.tags["weights"]) == ("FINISHED", "4", "model")
    assert run.params["data.clip_frames"] == "5" and "train.steps" not in run.params
    index = Store.open(folder / "outputs").artifact(run.run_id, "index.json")
    assert json.loads(index.read_text())["key"] == run.tags["latents.key"]
    assert Store.open(folder / "outputs").find({"odvae.kind": "run"}) == []
    assert "PSNR" not in first.out

    def encodes(*_: object) -> None:
        raise AssertionError("a clip was encoded again")

    monkeypatch.setattr("odvae.generation.latent_encoder.encode_pieces", encodes)
    again = _encode(folder, "checkpoint=model", "seed=5", "train.steps=9")
    assert "encoded none of 4 clips, all were there already" in again.out
    assert "Already finished" in again.out and len(_runs(folder)) == 1
    _encode(folder, "checkpoint=model", "rerun=true")
    assert [found.metrics["latents/encoded"] for found in _runs(folder)] == [0, 4]


def test_what_is_kept_is_what_the_vae_makes(folder: Path) -> None:
    _encode(folder, "checkpoint=model", "latents.clips=1", "tiling=temporal")
    newest = _runs(folder)[0]
    cache = LatentCache.open(Path(newest.tags["latents.folder"]))
    assert len(cache) == 1 and cache.index.parts["tiling"]["kind"] == "TemporalGroups"
    source = odvae.load(folder / "model")
    clip = json.loads((cache.folder / "clips.json").read_text())["clips"][0]
    frames = _first_frames(folder / "videos" / clip["file"])
    expected = odvae.inference.encode(source, frames, Tiling.off())  # one group
    assert_close(cache.encoding(torch.tensor([0])).moments, expected.moments)


def _first_frames(path: Path) -> Tensor:
    """Five frames, the middle 16x16 px at short side 24: (1, 3, 5, 16, 16)."""
    frames = resize_short_side(read_frames(path, 0, count=5), 24)  # (5, 24, 32, 3)
    return to_pixels(frames[:, 4:20, 8:24])[None]


def test_another_vae_is_another_cache(folder: Path) -> None:
    _encode(folder, "checkpoint=model")
    before = _caches(folder)
    assert "encoded 4 of 4 clips" in _encode(folder, "checkpoint=other").out
    assert len(_caches(folder) - before) == 1 and before < _caches(folder)


def test_a_copy_of_the_vae_elsewhere_is_the_same(folder: Path) -> None:
    _encode(folder, "checkpoint=model")
    shutil.copytree(folder / "model", folder / "copy", dirs_exist_ok=True)
    assert "encoded none" in _encode(folder, "checkpoint=copy").out


def test_what_was_taken_away_is_made_again(folder: Path) -> None:
    _encode(folder, "checkpoint=model", "latents.clips=3")
    run = _runs(folder)[0]
    (Path(run.tags["latents.folder"]) / "00001.safetensors").unlink()
    ran = _encode(folder, "checkpoint=model", "latents.clips=3")
    assert "encoded 1 of 3 clips, the others were there" in ran.out
    again = _runs(folder)[0]
    assert again.run_id != run.run_id and again.metrics["latents/encoded"] == 1


def test_an_interrupted_run_is_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ("checkpoint=model", "latents.clips=3", "latents.clips_per_shard=1")
    make, made = LatentFilling._make, list[int]()

    def interrupted(self: LatentFilling, shard: int, encode: object) -> int:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(shard)
        return make(self, shard, encode)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(LatentFilling, "_make", interrupted)
        assert run_here(folder, *LINE, *line).code == 130
    stopped = _runs(folder)[0]
    assert stopped.status == "KILLED"
    assert "encoded 1 of 3 clips, the others were there" in _encode(folder, *line).out
    resumed = _runs(folder)[0]
    assert (resumed.run_id, resumed.status) == (stopped.run_id, "FINISHED")


def test_a_second_process_helps_the_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first has the run, the second encodes, and then finds the run finished."""
    line = ("checkpoint=model", "latents.clips=2", "latents.clips_per_shard=1")
    fill = EncodingJob.fill
    helped = list[Ran]()

    def beside(self: EncodingJob) -> int:
        if not helped:
            helped.append(Ran(0, "", ""))
            with pytest.MonkeyPatch.context() as patch:  # it would wait for the run, which is ours
                patch.setattr("odvae.experiment.encode_run.run_once", _no_run)
                helped.append(run_here(folder, *LINE, *line))
        return fill(self)

    monkeypatch.setattr(EncodingJob, "fill", beside)
    ran = _encode(folder, *line)
    assert "encoded none of 2 clips" in ran.out
    assert "no run" in helped[1].err
    assert _runs(folder)[0].metrics["latents/encoded"] == 0


def _no_run(*_: object, **__: object) -> None:
    raise UserError("no run")


@pytest.mark.slow
def test_a_sweep_makes_a_cache_for_each_of_its_jobs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_here)
    line = (*LINE, "-m", "checkpoint=other", "latents.clips=1,2")
    ran = run_here(folder, *line)
    assert (ran.code, ran.err) == (0, ""), ran.err
    (sweep,) = Store.open(folder / "outputs").find({"odvae.kind": "sweep"})
    runs = [run for run in _runs(folder) if run.parent_id == sweep.run_id]
    assert len({run.tags["latents.key"] for run in runs}) == 2
    assert "PSNR" not in ran.out


WRONG = {
    (): ("task=encode needs checkpoint=PATH",),
    ("model=sd_vae",): ("task=encode needs weights.sd_vae=PATH",),
    ("model=tats",): ("model=tats cannot encode",),
    ("checkpoint=nowhere",): ("checkpoint: nowhere: no such folder",),
    ("checkpoint=model", "data.clip_frames=29"): ("no training video of 29 frames", "data.path"),
    ("checkpoint=model", "data.path=empty"): ("data.path=empty", "no video file"),
    ("checkpoint=model", "latents.clips=0"): ("latents.clips must be null or at least 1, got 0",),
    ("checkpoint=model", "tiling=stream"): ("tiling=stream cannot be exact",),
    ("checkpoint=model", "trainer.devices=2"): ("giving the command several times", "got 2 and 1"),
    ("checkpoint=model", "data.source=webdataset"): ("task=encode", "data=webdataset"),
    ("checkpoint=model", "dry_run=true"): ("which task=encode is not",),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.items())
def test_a_mistake_is_told_in_a_line(
    folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (folder / "empty").mkdir(exist_ok=True)
    ran = run_here(folder, *LINE, *arguments)
    assert ran.code == 2 and ran.err.count("\n") == 1, ran.err
    for word in words:
        assert word in ran.err
