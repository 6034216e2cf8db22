"""The real SD-VAE's weights in the forms they come in; files that are refused."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.training.sd_vae import WEIGHTS_FILE, read_sd_vae

STATE = {
    "encoder.conv_in.weight": torch.arange(12.0).reshape(3, 4),
    "decoder.conv_out.bias": torch.ones(3),
    "quant_conv.weight": torch.full((2, 2), 0.5),
    "post_quant_conv.weight": torch.full((2, 2), -0.5),
}
LOSS = {"loss.discriminator.weight": torch.zeros(5), "model_ema.decay": torch.zeros(())}


def _safetensors(folder: Path) -> Path:
    save_file(STATE, folder / "vae.safetensors")
    return folder / "vae.safetensors"


def _diffusers_folder(folder: Path) -> Path:
    save_file(STATE, folder / WEIGHTS_FILE)
    return folder


def _half(folder: Path) -> Path:
    save_file({name: value.half() for name, value in STATE.items()}, folder / "half.safetensors")
    return folder / "half.safetensors"


def _compvis(folder: Path) -> Path:
    torch.save({"state_dict": {**STATE, **LOSS}, "global_step": 3}, folder / "vae.ckpt")
    return folder / "vae.ckpt"


def _bare(folder: Path) -> Path:
    torch.save({**STATE, **LOSS}, folder / "vae.pt")
    return folder / "vae.pt"


@pytest.mark.parametrize("make", [_safetensors, _diffusers_folder, _half, _compvis, _bare])
def test_every_form_gives_the_same_tensors(make: object, tmp_path: Path) -> None:
    assert callable(make)
    tensors = read_sd_vae(str(make(tmp_path)))
    assert_close(tensors, STATE)  # float32, and nothing of the adversary
    assert all(isinstance(value, Tensor) for value in tensors.values())


class _Malicious:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_code_in_a_file_is_not_run(form: str, tmp_path: Path) -> None:
    file, target = tmp_path / "vae.ckpt", tmp_path / "executed"
    content = {"state_dict": _Malicious(target)}
    if form == "torch":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=r"vae\.ckpt: refused, it would run code") as error:
        read_sd_vae(str(file))
    assert "\n" not in str(error.value)
    assert not target.exists()


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.ckpt"])
@pytest.mark.parametrize("kept", [0, 20, 0.5])
def test_a_damaged_file_is_named(name: str, kept: float, tmp_path: Path) -> None:
    file = _safetensors(tmp_path) if name.endswith("s") else _compvis(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    _is_refused(file, "damaged, or not weights")


@pytest.mark.parametrize("content", [b"no weights at all", b"<html>", bytes(100), b"PK\x03\x04"])
def test_a_file_that_is_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vae.ckpt").write_bytes(content)
    _is_refused(tmp_path / "vae.ckpt", "damaged, or not weights")


def _is_refused(file: Path, reason: str) -> None:
    with pytest.raises(UserError) as error:
        read_sd_vae(str(file))
    assert str(error.value) == f"image_vae.path={file}: {reason}"


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, torch.zeros(3)])
def test_a_file_of_something_else(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "vae.ckpt")
    _is_refused(tmp_path / "vae.ckpt", f"not weights, but a {type(content).__name__}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^image_vae\.path=.*: no such file .*{WEIGHTS_FILE}$"):
        read_sd_vae(str(tmp_path))
    with pytest.raises(UserError, match=r"^image_vae\.path=nowhere: no such file nowhere$"):
        read_sd_vae("nowhere")


def test_without_a_network_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_: object) -> str:
        raise hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(hub, "hf_hub_download", unreachable)
    with pytest.raises(UserError, match=r"^image_vae=sd: .*cannot be downloaded.*image_vae\.path"):
        read_sd_vae(None)
