"""What tells models apart: the weights file, and the function that is made of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

import odvae
from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.model import IMAGE, Operators
from odvae.vaes import Loaded, open_vae
from odvae.vaes.diffusers_vae import DiffusersVAE
from tests.model.formula import small
from tests.vaes.tiny_vaes import tiny

WEIGHTS = "diffusion_pytorch_model.safetensors"
FP16 = "diffusion_pytorch_model.fp16.safetensors"


def _edit(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


def _edited(folder: Path, copy: Path, **fields: Any) -> Loaded:
    shutil.copytree(folder, copy)
    _edit(copy, **fields)
    return open_vae(copy)


def test_our_own_models(tmp_path: Path) -> None:
    small(4, Operators.paper).save(tmp_path / "vae")
    first = open_vae(tmp_path / "vae")
    assert first.sha256 == file_sha256(tmp_path / "vae" / "model.safetensors")
    copy = _edited(tmp_path / "vae", tmp_path / "copy")
    assert (copy.sha256, copy.digest) == (first.sha256, first.digest)
    changes: list[dict[str, Any]] = [{"operators": "strict"}, {"norm_groups": 1}]
    for fields in changes:
        (name,) = fields
        other = _edited(tmp_path / "vae", tmp_path / name, **fields)
        assert other.sha256 == first.sha256 and other.digest != first.digest
    small(IMAGE).save(tmp_path / "image")
    assert open_vae(tmp_path / "image").digest != first.digest


def test_models_of_diffusers(tmp_path: Path) -> None:
    tiny("AutoencoderKLWan").save_pretrained(tmp_path / "vae")
    first = open_vae(tmp_path / "vae")
    noted = _edited(tmp_path / "vae", tmp_path / "a", _diffusers_version="0", _name_or_path="b")
    assert (noted.sha256, noted.digest) == (first.sha256, first.digest)
    scaled = _edited(tmp_path / "vae", tmp_path / "b", latents_mean=[0.5] * 16)
    assert scaled.sha256 == first.sha256 and scaled.digest != first.digest


def test_the_file_that_is_named_is_the_one_that_is_loaded(tmp_path: Path) -> None:
    tiny("AutoencoderKLWan").save_pretrained(tmp_path)
    tensors = {name: tensor + 1 for name, tensor in load_file(tmp_path / WEIGHTS).items()}
    file = tmp_path / "diffusion_pytorch_model.bin"
    torch.save(tensors, file)
    loaded = open_vae(file)
    assert isinstance(loaded.vae, DiffusersVAE)
    assert loaded.sha256 == file_sha256(file)
    assert_close(loaded.vae.vae.state_dict(), tensors, atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["fp16", "shards"])
def test_a_variant_or_a_shard_is_described_by_its_configuration(kind: str, tmp_path: Path) -> None:
    inner = tiny("AutoencoderKLWan")
    if kind == "fp16":
        inner.half().save_pretrained(tmp_path, variant="fp16")
    else:
        inner.save_pretrained(tmp_path, max_shard_size="300KB")
    file = next(path for path in tmp_path.iterdir() if path.name.endswith(".safetensors"))
    loaded = open_vae(file)
    assert isinstance(loaded.vae, DiffusersVAE)
    assert_close(loaded.vae.vae.state_dict(), inner.float().state_dict(), atol=0, rtol=0)
    assert loaded.digest == open_vae(tmp_path).digest


def test_another_video_vae_is_not_called_ours(tmp_path: Path) -> None:
    tiny("AutoencoderKLWan").save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match=r"neither an OD-VAE nor an SD-VAE.*of diffusers beside"):
        odvae.load(tmp_path / WEIGHTS)


@pytest.mark.parametrize("name", [FP16, WEIGHTS])
def test_another_file_beside_our_own_is_not_taken_for_it(name: str, tmp_path: Path) -> None:
    small(4).save(tmp_path)
    save_file(load_file(tmp_path / "model.safetensors"), tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: tensors of odvae's own folder"):
        odvae.load(tmp_path / name)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' + "[" * 900 + "]" * 900 + "}"])
def test_a_configuration_of_lists_in_lists(text: str, tmp_path: Path) -> None:
    tiny("AutoencoderKLWan").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json: not a configuration, but lists in lists$"):
        odvae.load(tmp_path)


def test_a_pointer_in_our_own_folder(tmp_path: Path) -> None:
    small(4).save(tmp_path / "vae")
    pointer = tmp_path / "vae" / "model.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
    with pytest.raises(UserError, match=r"model\.safetensors: a git-lfs pointer, not the weights"):
        odvae.load(tmp_path / "vae")
