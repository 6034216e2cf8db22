"""A mistake on the command line costs one line that names the field, and exit code 2."""

from pathlib import Path

import pytest

import odvae.run
from odvae.errors import UserError
from odvae.model import ODVAE
from tests.command.commands import Ran, run_alone, run_here

FIELDS = {
    ("variant=5",): ("variant", "1, 2, 3, 4", "got 5"),
    ("variant=x",): ("variant", "Integer", "'x'"),
    ("seed=-1",): ("seed", "at least 0", "got -1"),
    ("nonsense.key=1",): ("nonsense.key is no field", "--help"),
    ("train.stpes=5",): ("train.stpes is no field", "did you mean train.steps?"),
    ("learning_rate=1",): ("did you mean train.learning_rate or",),
    ("+extra=1",): ("extra is no field",),
    ("~losses",): ("losses.", "cannot be taken out"),
    ("trainer.device=gpu",): ("trainer.device", "auto, cpu, cuda", "'gpu'"),
    ("data.size_px=60",): ("data.size_px", "multiple of 8", "got 60"),
    ("data.clip_frames=8",): ("data.clip_frames", "1, 5, 9", "got 8"),
    ("tiling=temporal", "tiling.group_frames=8"): ("tiling.group_frames", "4m+1", "got 8"),
    ("tiling=spatiotemporal", "tiling.tile_px=100"): ("tiling.tile_px", "multiple of 8", "got 100"),
    ("tiling=spatiotemporal", "tiling.overlap=0.6"): ("tiling.overlap", "0 to 0.5", "got 0.6"),
    ("tiling=stream", "tiling.chunk_frames=0"): ("tiling.chunk_frames", "at least 1", "got 0"),
    ("task=evaluate",): ("checkpoint=PATH",),
}
CHOICES = {
    ("init=tial",): ("init", "center, inflate, random, tail", "'tial'"),
    ("+experiment=none",): ("experiment", "inits", "variants", "'none'"),
    ("init=3",): ("init=3", "string"),
    ("variant",): ("'variant'", "field=value"),
    ("seed=${nowhere}",): ("nowhere",),
}
FILES = {
    ("data=folder",): ("data.path=FOLDER",),
    ("data=folder", "data.path=nowhere"): ("data.path", "existing folder", "nowhere"),
    ("data=folder", "data.path=empty"): ("data.path=empty", "no video file", ".mp4"),
    ("data=folder", "data.path=texts"): ("data.path=texts", "notes.mp4"),
    ("task=evaluate", "checkpoint=nowhere"): ("checkpoint", "nowhere", "no such folder"),
    ("task=evaluate", "checkpoint=empty"): ("checkpoint", "empty", "no config.json"),
    ("image_vae=bundled", "model.width=32"): ("model.width=32", "image_vae=bundled", "has 16"),
    ("image_vae=bundled", "model.norm_groups=8"): ("model.norm_groups=8", "channels/16"),
    ("image_vae=sd",): ("model.width=16", "image_vae=sd", "has 128"),
    ("image_vae=sd", "image_vae.path=nowhere"): ("image_vae.path=nowhere", "no such file"),
    ("output_dir=file.mp4/below",): ("output_dir=", "file.mp4/below", "cannot be written"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.mp4").write_text("these are no pictures\n" * 50)
    (tmp_path / "file.mp4").touch()
    return tmp_path


def _is_refused(ran: Ran, says: tuple[str, ...], *, left: set[str], folder: Path) -> None:
    assert ran.code == 2
    assert ran.err.startswith("odvae: ") and ran.err.count("\n") == 1, ran.err
    for part in says:
        assert part in ran.err
    assert ran.out.strip() == ""
    assert {path.name for path in folder.iterdir()} == left  # nothing was started


@pytest.mark.parametrize(("arguments", "says"), [*FIELDS.items(), *CHOICES.items(), *FILES.items()])
def test_one_line_says_what_is_wrong(
    arguments: tuple[str, ...], says: tuple[str, ...], folder: Path
) -> None:
    before = {path.name for path in folder.iterdir()}
    ran = run_here(folder, "preset=smoke", *arguments)
    _is_refused(ran, says, left=before, folder=folder)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("variant=1,5",), FIELDS["variant=5",]),
        (("init=tail,tial",), CHOICES["init=tial",]),
        (("seed=0,1", "data=folder", "data.path=texts"), FILES["data=folder", "data.path=texts"]),
        (("init=random,tail", "image_vae=sd"), FILES["image_vae=sd",]),
        (("seed=0,1", "output_dir=file.mp4/below"), FILES["output_dir=file.mp4/below",]),
        (("seed=0,1", "hydra.launcher.parallel=0"), ("hydra.launcher.parallel", "got 0")),
    ],
)
def test_a_sweep_does_not_start_unless_all_its_jobs_can(
    arguments: tuple[str, ...], says: tuple[str, ...], folder: Path
) -> None:
    before = {path.name for path in folder.iterdir()}
    ran = run_here(folder, "-m", "preset=smoke", *arguments)
    _is_refused(ran, says, left=before, folder=folder)


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    arguments = ("-m", "variant=1,5")
    assert run_alone(tmp_path, *arguments) == run_here(tmp_path, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    ran = run_here(tmp_path, "trainer.device=cuda")
    _is_refused(ran, ("trainer.device=cuda", "auto, cpu"), left=set(), folder=tmp_path)


def test_a_checkpoint_that_is_damaged(folder: Path) -> None:
    ODVAE.variant(4, width=8, blocks=1, norm_groups=4).save(folder / "vae")
    (folder / "vae" / "model.safetensors").write_bytes(b"cut off")
    before = {path.name for path in folder.iterdir()}
    ran = run_here(folder, "preset=smoke", "task=evaluate", "checkpoint=vae")
    _is_refused(ran, ("checkpoint", "model.safetensors", "damaged"), left=before, folder=folder)


def test_a_bug_keeps_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(odvae.run, "_run", broken)
    with pytest.raises(ZeroDivisionError):
        run_here(tmp_path)


def test_a_trace_on_demand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="variant must be one of"):
        run_here(tmp_path, "variant=5", environment={"ODVAE_DEBUG": "1"})
