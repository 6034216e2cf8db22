"""``python -m odvae.convert``: what it says, what it writes, and how it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

import odvae
from odvae.convert import main
from odvae.model import ODVAE


@pytest.fixture
def video(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    ODVAE.variant(4, width=32, blocks=1).save(tmp_path / "video")
    return tmp_path / "video"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    ODVAE.image(width=32, blocks=1).save(tmp_path / "image")
    return tmp_path / "image"


def _main(*arguments: Path | str) -> int:
    return main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_a_process_of_its_own(video: Path) -> None:
    file = video.parent / "vae.ckpt"
    ran = subprocess.run(
        [sys.executable, "-m", "odvae.convert", str(video), str(file), "--to", "official"],
        capture_output=True,
        text=True,
        check=True,
    )
    parameters = sum(t.numel() for t in load_file(video / "model.safetensors").values())
    for part in (
        str(video / "model.safetensors"),
        "odvae's own folder",
        "variant 4, width 32, blocks 1, latent_channels 4, norm_groups 32, operators paper",
        f"{parameters:,} parameters, float32",
        f"written  {file}",
    ):
        assert part in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.ckpt", "folder"])
def test_there_and_back(name: str, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official, back = video.parent / name, video.parent / "back"
    assert _main(video, official, "--to", "official") == 0
    assert _main(official, back, "--to", "odvae") == 0
    assert "the released OD-VAE's form: variant 4" in capsys.readouterr().out
    for file in ("config.json", "model.safetensors"):
        assert (back / file).read_bytes() == (video / file).read_bytes()


def test_an_image_vae_for_diffusers(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(image, image.parent / "sd", "--to", "diffusers") == 0
    out = capsys.readouterr().out
    assert "image VAE, width 32" in out
    assert "(config.json, diffusion_pytorch_model.safetensors)" in out
    back = odvae.load(image.parent / "sd")
    assert isinstance(back, ODVAE)
    assert_close(back.state_dict(), load_file(image / "model.safetensors"), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere", "new", "--to", "odvae"), "nowhere: no such folder, no such file"),
        (("video", "video", "--to", "official"), "video: not overwritten"),
        (("video", "new", "--to", "diffusers"), "variant=4: diffusers has no class for it"),
        (("video", "new.pt", "--to", "odvae"), "--to odvae writes a folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: tuple[str, ...],
    says: str,
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(video.parent)
    before = sorted(video.parent.rglob("*"))
    assert _main(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("odvae: ") and says in error and error.count("\n") == 1
    assert sorted(video.parent.rglob("*")) == before


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "b", "--to", "onnx"]])
def test_a_wrong_call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: odvae convert" in capsys.readouterr().err


def test_a_vae_of_diffusers_is_not_converted(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (image / "config.json").write_text('{"_class_name": "AutoencoderKLWan"}')
    assert _main(image, image.parent / "new", "--to", "odvae") == 2
    assert "AutoencoderKLWan of diffusers" in capsys.readouterr().err
