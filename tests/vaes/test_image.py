"""The 2D SD-VAE: from diffusers' and CompVis' files, equal to diffusers' own model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

import odvae
from odvae.errors import UserError
from odvae.model import IMAGE, ODVAE, image_state_dict
from odvae.model.saved import StoredVAE
from odvae.vaes.writing import Target, write
from tests.model.diffusers_names import to_diffusers_names

WEIGHTS = "diffusion_pytorch_model.safetensors"
WIDTHS = [(32, 64, 128, 128), pytest.param((128, 256, 512, 512), marks=pytest.mark.slow)]


def _image(groups: int = 32) -> ODVAE:
    torch.manual_seed(0)
    return ODVAE.image(width=32, blocks=1, norm_groups=groups)


def _compvis(vae: ODVAE) -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in image_state_dict(vae).items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vae = _image()
    write(StoredVAE(vae.architecture, vae.state_dict()), Target.diffusers, tmp_path / "vae")
    return tmp_path / "vae"


def _diffusers_vae(widths: tuple[int, ...]) -> Any:
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=2,
        norm_num_groups=32,
    )
    for parameter in vae.parameters():  # norms away from 1 and 0, biases away from 0
        parameter.data += 0.02 * torch.randn_like(parameter)
    return vae.eval()


@pytest.mark.parametrize("widths", WIDTHS)
@torch.no_grad()
def test_it_equals_diffusers_own(widths: tuple[int, ...], tmp_path: Path) -> None:
    theirs = _diffusers_vae(widths)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = odvae.load(tmp_path / "theirs")
    assert isinstance(ours, ODVAE) and not ours.training
    assert (ours.architecture.variant, ours.architecture.width) == (IMAGE, widths[0])
    inflated = odvae.inflate(
        ODVAE.variant(4, width=widths[0], operators="strict"), image_state_dict(ours), "tail"
    )
    frame = 2 * torch.rand(1, 3, 1, 32, 40) - 1
    moments = theirs.encode(frame[:, :, 0]).latent_dist.parameters
    latents = torch.randn(1, 4, 1, 4, 5)
    pixels = theirs.decode(latents[:, :, 0]).sample
    for vae in (ours, inflated):
        assert_close(vae.encode(frame).moments[:, :, 0], moments, atol=1e-5, rtol=0)
        assert_close(vae.decode(latents)[:, :, 0], pixels, atol=1e-5, rtol=0)


@torch.no_grad()
def test_diffusers_reads_what_is_written(folder: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs, report = diffusers.AutoencoderKL.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    frame = 2 * torch.rand(1, 3, 1, 16, 16) - 1
    assert_close(
        theirs.encode(frame[:, :, 0]).latent_dist.parameters,
        _image().encode(frame).moments[:, :, 0],
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize("form", ["compvis.ckpt", "sd.ckpt", "compvis.safetensors", "old", "new"])
def test_single_files(form: str, tmp_path: Path) -> None:
    vae, file = _image(), tmp_path / form
    state = _compvis(vae)
    match form:
        case "compvis.ckpt":
            torch.save({"state_dict": {**state, "loss.logvar": torch.zeros(())}}, file)
        case "sd.ckpt":
            whole = {f"first_stage_model.{name}": value for name, value in state.items()}
            whole["model.diffusion_model.out.0.weight"] = torch.zeros(3)
            torch.save({"state_dict": whole, "global_step": 1}, file)
        case "compvis.safetensors":
            save_file({name: value.half() for name, value in state.items()}, file)
        case _:
            names = to_diffusers_names(state, old=form == "old")
            save_file({name: value.contiguous() for name, value in names.items()}, file)
    loaded = odvae.load(file)
    assert isinstance(loaded, ODVAE) and loaded.architecture == vae.architecture
    half = form == "compvis.safetensors"
    expected = {n: t.half().float() if half else t for n, t in vae.state_dict().items()}
    assert_close(loaded.state_dict(), expected, atol=0, rtol=0)


def _edit(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {"block_out_channels": [32, 64, 128, 256]},
        {"block_out_channels": [64, 128, 256, 256]},
        {"layers_per_block": 2},
        {"latent_channels": 16},
        {"act_fn": "relu"},
        {"use_quant_conv": False},
        {"use_post_quant_conv": False},
        {"mid_block_add_attention": False},
        {"down_block_types": ["DownEncoderBlock2D"] * 3 + ["AttnDownEncoderBlock2D"]},
        {"in_channels": 4},
        {"scaling_factor": 0.13025},
        {"shift_factor": 0.1159},
        {"latents_mean": [0.0, 0.0, 0.0, 0.0]},
        {"norm_num_groups": None},
    ],
)
def test_another_network_is_refused(folder: Path, fields: Any) -> None:
    _edit(folder, **fields)
    (field,) = fields
    with pytest.raises(UserError, match=rf"config\.json: {field} must be") as error:
        odvae.load(folder)
    assert "\n" not in str(error.value)


def test_norm_groups_are_those_of_the_configuration(folder: Path) -> None:
    _edit(folder, norm_num_groups=16, act_fn="swish", force_upcast=True)
    for source in (folder, folder / WEIGHTS):
        vae = odvae.load(source)
        assert isinstance(vae, ODVAE) and vae.architecture.norm_groups == 16
    shutil.copy(folder / WEIGHTS, folder / "copy.safetensors")  # no configuration is of this name
    vae = odvae.load(folder / "copy.safetensors")
    assert isinstance(vae, ODVAE) and vae.architecture.norm_groups == 32


def test_misfits_are_listed_with_the_file(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["decoder.conv_norm_out.bias"]
    tensors["decoder.mid_block.attentions.0.stray.bias"] = torch.zeros(1)
    tensors["quant_conv.bias"] = torch.zeros(3)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UserError) as error:
        odvae.load(folder)
    for part in (f"{folder / WEIGHTS}: ", "1 missing", "1 unexpected", "1 of another shape"):
        assert part in str(error.value)


def test_a_vae_without_quant_convs_is_refused(tmp_path: Path) -> None:
    state = {name: value for name, value in _compvis(_image()).items() if "quant" not in name}
    save_file(state, tmp_path / "flux.safetensors")
    with pytest.raises(UserError, match=r"flux.* not an SD-VAE state dict: post_quant_conv"):
        odvae.load(tmp_path / "flux.safetensors")


def test_an_unknown_class_is_refused(folder: Path) -> None:
    _edit(folder, _class_name="AutoencoderOfNobody")
    with pytest.raises(UserError, match="AutoencoderOfNobody"):
        odvae.load(folder)
