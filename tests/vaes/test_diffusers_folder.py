"""Folders that diffusers saved: what is read, and what is told of one that cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from odvae.errors import UserError
from odvae.vaes.diffusers_vae import DiffusersVAE, from_diffusers_folder
from tests.vaes.tiny_vaes import CLASSES, noise, tiny

WEIGHTS = "diffusion_pytorch_model.safetensors"
NAME = "AutoencoderKLWan"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound folder, to be spoilt."""
    tiny(NAME).save_pretrained(tmp_path)
    return tmp_path


def _config(folder: Path, changes: dict[str, Any]) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@torch.no_grad()
def _same(vae: DiffusersVAE, expected: DiffusersVAE) -> bool:
    video = noise(frames=vae.clip_lengths.at_least(2))
    latents = expected.encode(video).mode()
    return torch.equal(vae.encode(video).mode(), latents) and torch.equal(
        vae.decode(latents), expected.decode(latents)
    )


@pytest.mark.parametrize("name", CLASSES)
def test_what_diffusers_saves_comes_back(name: str, tmp_path: Path) -> None:
    inner = tiny(name)
    inner.save_pretrained(tmp_path)
    vae = from_diffusers_folder(tmp_path)
    assert vae.name == name
    assert not vae.training
    assert _same(vae, DiffusersVAE(inner))


def test_statistics_among_the_weights_are_read(tmp_path: Path) -> None:
    inner = tiny("AutoencoderKLLTXVideo")
    inner.latents_std *= 2
    inner.save_pretrained(tmp_path)
    assert from_diffusers_folder(tmp_path).latent_scaling.scale == (0.5,) * 8


def test_shards_are_joined(tmp_path: Path) -> None:
    inner = tiny(NAME)
    inner.save_pretrained(tmp_path, max_shard_size="300KB")
    assert len([*tmp_path.glob("*.safetensors")]) > 1
    assert _same(from_diffusers_folder(tmp_path), DiffusersVAE(inner))


def test_the_only_variant_is_read_in_float32(tmp_path: Path) -> None:
    inner = tiny(NAME).half()
    inner.save_pretrained(tmp_path, variant="fp16")
    vae = from_diffusers_folder(tmp_path)
    assert {tensor.dtype for tensor in vae.state_dict().values()} == {torch.float32}
    assert _same(vae, DiffusersVAE(inner.float()))


def test_files_from_before_safetensors_are_read(tmp_path: Path) -> None:
    inner = tiny("VQModel")
    inner.save_pretrained(tmp_path)
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    tensors = load_file(tmp_path / WEIGHTS)
    for new_name, old_name in old.items():
        tensors = {name.replace(new_name, old_name): x for name, x in tensors.items()}
    assert any("query" in name for name in tensors)
    (tmp_path / WEIGHTS).unlink()
    torch.save(tensors, tmp_path / "diffusion_pytorch_model.bin")
    assert _same(from_diffusers_folder(tmp_path), DiffusersVAE(inner))


@pytest.mark.parametrize("name", ["AutoencoderKL", "os", "UNet2DModel", None, ["VQModel"]])
def test_a_class_that_is_not_in_the_table(name: object, folder: Path) -> None:
    _config(folder, {"_class_name": name})
    with pytest.raises(UserError, match="_class_name must be one of AutoencoderKLTemporalDecoder"):
        from_diffusers_folder(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"dim_mult": "many"},
        {"dim_mult": []},
        {"base_dim": -4},
        {"z_dim": None},
        {"latents_mean": [0.0]},
        {"latents_std": "wide"},
        {"patch_size": "two"},
    ],
)
def test_a_value_that_the_class_does_not_take(changes: dict[str, Any], folder: Path) -> None:
    _config(folder, changes)
    with pytest.raises(UserError, match=r"config\.json: a value that the class does not take"):
        from_diffusers_folder(folder)


def test_a_model_that_cannot_be_used_is_named_by_its_file(tmp_path: Path) -> None:
    changes = {"decoder_inject_noise": (True,) * 5}
    tiny("AutoencoderKLLTXVideo", changes).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"config\.json: .*decoder_inject_noise"):
        from_diffusers_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not JSON"), ("[]", "not a configuration, but a list")]
)
def test_a_damaged_configuration(text: str, said: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(UserError, match=said):
        from_diffusers_folder(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; expected a folder saved by diffusers"):
        from_diffusers_folder(tmp_path / "nothing")


def test_no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(UserError, match="no weights"):
        from_diffusers_folder(folder)


def test_several_variants_are_not_chosen_from(folder: Path) -> None:
    weights = (folder / WEIGHTS).rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    weights.with_name("diffusion_pytorch_model.bf16.safetensors").write_bytes(weights.read_bytes())
    with pytest.raises(UserError, match=r"several .*bf16\.safetensors, .*fp16\.safetensors"):
        from_diffusers_folder(folder)
    assert from_diffusers_folder(folder, weights=[weights]).name == NAME


def test_a_damaged_file_of_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1000])
    with pytest.raises(UserError, match="damaged, or not safetensors"):
        from_diffusers_folder(folder)


def test_tensors_that_do_not_fit(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["quant_conv.bias"]
    tensors["conv_in.bias"] = torch.zeros(1)
    tensors["quant_conv.weight"] = torch.zeros(2, 3)
    save_file(tensors, folder / WEIGHTS)
    message = (
        r"does not fit the model: 1 missing: quant_conv\.bias; 1 unexpected: conv_in\.bias; "
        r"1 of another shape: quant_conv\.weight \(2, 3\) instead of"
    )
    with pytest.raises(UserError, match=message):
        from_diffusers_folder(folder)
