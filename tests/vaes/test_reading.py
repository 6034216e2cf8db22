"""Tensors out of weights files in all the forms they come in; files that are refused."""

import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.vaes.reading import read_tensors

STATE = {
    "encoder.conv_in.weight": torch.arange(12.0).reshape(3, 4),
    "decoder.conv_out.bias": torch.ones(3).half(),
    "quant_conv.weight": torch.full((2, 2), 0.5).bfloat16(),
}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}
TRAINING = {
    "loss.discriminator.main.0.weight": torch.zeros(5),
    "loss.logvar": torch.zeros(()),
    "model_ema.decay": torch.zeros(()),
    "discriminator.0.bias": torch.zeros(1),
}


def _prefixed(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


FORMS: dict[str, object] = {
    "bare": STATE,
    "state_dict": {"state_dict": {**STATE, **TRAINING}, "global_step": 3, "epoch": 1},
    "gen_model": {"state_dict": {"gen_model": STATE, "dics_model": OTHER}, "optimizer": [1, 2]},
    "module.": {"state_dict": {"gen_model": _prefixed("module.")}},
    "ema": {"ema_state_dict": _prefixed("module."), "state_dict": {"gen_model": OTHER}},
    "empty ema": {"ema_state_dict": {}, "state_dict": {"gen_model": STATE}},
    "first stage": {
        "state_dict": _prefixed("first_stage_model.") | _prefixed("model.diffusion_model.", OTHER)
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zipped", [True, False])
def test_every_form_gives_the_same_tensors(form: str, zipped: bool, tmp_path: Path) -> None:
    file = tmp_path / "vae.ckpt"
    torch.save(FORMS[form], file, _use_new_zipfile_serialization=zipped)
    assert_close(read_tensors(file), STATE, atol=0, rtol=0)  # their types too


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.ckpt", "vae"])
def test_the_name_of_a_file_does_not_matter(name: str, tmp_path: Path) -> None:
    save_file(STATE, tmp_path / name)
    assert_close(read_tensors(tmp_path / name), STATE, atol=0, rtol=0)
    torch.save(STATE, tmp_path / name)
    assert_close(read_tensors(tmp_path / name), STATE, atol=0, rtol=0)


@pytest.mark.parametrize("tensors", range(60, 64))
def test_a_header_of_any_length_is_no_text(tensors: int, tmp_path: Path) -> None:
    """Lengths around 0x..3c and 0x..7b, which are "<" and "{" in a text."""
    file = tmp_path / "vae.safetensors"
    beginnings = set()
    for padding in range(0, 256, 8):
        save_file({"x" * tensors: torch.ones(1)}, file, metadata={"note": "y" * padding})
        beginnings.add(file.read_bytes()[:1])
        assert_close(read_tensors(file), {"x" * tensors: torch.ones(1)})
    assert len(beginnings) > 8


class _Malicious:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("form", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", ["vae.ckpt", "vae.safetensors"])
def test_code_in_a_file_is_not_run(form: str, protocol: int, name: str, tmp_path: Path) -> None:
    file, target = tmp_path / name, tmp_path / "executed"
    content = {"state_dict": _Malicious(target)}
    if form == "pickle":
        file.write_bytes(pickle.dumps(content, protocol=protocol))
    else:
        zipped = form == "torch"
        torch.save(content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    _is_refused(file, "refused, it could run code when loaded (")
    assert not target.exists()


@pytest.mark.parametrize("content", [np.float64(1.0), random.Random(0), torch.nn.Linear(1, 1)])
def test_what_is_refused_is_named(content: object, tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "more": content}, tmp_path / "vae.ckpt")
    _is_refused(tmp_path / "vae.ckpt", "refused, it could run code when loaded (")


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.ckpt"])
@pytest.mark.parametrize("kept", [20, 0.3, 0.5, 0.95])
def test_a_truncated_file(name: str, kept: float, tmp_path: Path) -> None:
    file = tmp_path / name
    if name.endswith("s"):
        save_file(STATE, file)
    else:
        torch.save(STATE, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    _is_refused(file, "damaged")


CONTENTS = {
    "an empty file": b"",
    "git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n",
    "a web page": b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    "a text": b'{"error": "Repository not found"}',
    "damaged, or not weights": b"no weights at all",
}


@pytest.mark.parametrize("name", ["vae.ckpt", "vae.safetensors"])
@pytest.mark.parametrize("says", CONTENTS)
def test_other_files_are_told_by_their_content(says: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(CONTENTS[says])
    _is_refused(tmp_path / name, says)


@pytest.mark.parametrize("content", [bytes(100), b"PK\x03\x04", b"\x80\x02", b"\x80\x04K\x01."])
def test_files_that_only_begin_well(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vae.ckpt").write_bytes(content)
    _is_refused(tmp_path / "vae.ckpt", "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "not weights, but a list"),
        ({"state_dict": 3}, "not weights, but a int"),
        (torch.zeros(3), "not weights, but a Tensor"),
        ({"ema_state_dict": torch.zeros(3)}, "not weights, but a Tensor"),
        ({}, "holds no tensors"),
        ({"state_dict": TRAINING}, "holds no tensors"),
        ({"model": STATE, "epoch": 1}, "not tensors alone, it also holds model, epoch"),
        ({str(i): i for i in range(9)}, "it also holds 0, 1, 2 and 6 more"),
    ],
)
def test_a_file_of_something_else(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "vae.ckpt")
    _is_refused(tmp_path / "vae.ckpt", says)


@pytest.mark.parametrize("form", ["safetensors", "zip", "old"])
def test_damaged_bytes_never_end_in_another_error(form: str, tmp_path: Path) -> None:
    file, dice = tmp_path / "vae", random.Random(0)
    if form == "safetensors":
        save_file(STATE, file)
    else:
        torch.save({"state_dict": STATE}, file, _use_new_zipfile_serialization=form == "zip")
    whole = file.read_bytes()
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        file.write_bytes(damaged)
        try:
            read_tensors(file)  # a changed value cannot be told from another value
        except UserError as error:
            assert str(error).startswith(f"{file}: ") and "\n" not in str(error)
            refused += 1
    assert refused > 20


def _is_refused(file: Path, says: str) -> None:
    with pytest.raises(UserError) as error:
        read_tensors(file)
    assert str(error.value).startswith(f"{file}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)
