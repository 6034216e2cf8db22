"""The released OD-VAE in every form it comes in, and the configuration beside it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

import odvae
from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.model import IMAGE, ODVAE, VIDEO_VARIANTS, Operators
from odvae.model.saved import StoredVAE
from odvae.vaes import open_vae
from odvae.vaes.official import official_config
from odvae.vaes.writing import Target, write
from tests.model.formula import clip, official_names, official_state, released, small
from tests.model.spec_files import spec_file
from tests.model.test_parity import DECODE_ATOL, ENCODE_ATOL
from tests.sampling import first

WEIGHTS = "diffusion_pytorch_model.safetensors"
State = dict[str, Tensor]


def _official(vae: ODVAE) -> State:
    names = official_names(vae)
    return {names[name]: tensor for name, tensor in vae.state_dict().items()}


def _shifted(state: State) -> State:
    return {f"module.{name}": tensor + 1 for name, tensor in state.items()}


def _bare(folder: Path, state: State) -> Path:
    save_file(state, folder / "vae.safetensors")
    return folder / "vae.safetensors"


def _bare_pickle(folder: Path, state: State) -> Path:
    torch.save(state, folder / "vae.pth")
    return folder / "vae.pth"


def _state_dict(folder: Path, state: State) -> Path:
    training = {"loss.logvar": torch.zeros(()), "loss.discriminator.bias": torch.zeros(2)}
    torch.save({"state_dict": {**state, **training}, "global_step": 9}, folder / "vae.ckpt")
    return folder / "vae.ckpt"


def _gen_model(folder: Path, state: State) -> Path:
    content = {"state_dict": {"gen_model": state, "dics_model": {}}, "ema_state_dict": {}}
    torch.save(content, folder / "vae.pt")
    return folder / "vae.pt"


def _ema(folder: Path, state: State) -> Path:
    ema = {f"module.{name}": tensor for name, tensor in state.items()}
    content = {"ema_state_dict": ema, "state_dict": {"gen_model": _shifted(state)}}
    torch.save(content, folder / "vae.bin")
    return folder / "vae.bin"


def _folder(folder: Path, state: State) -> Path:
    torch.save({"state_dict": {"gen_model": state}}, folder / "checkpoint.ckpt")
    return folder


def _folder_with_config(folder: Path, state: State) -> Path:
    save_file(state, folder / WEIGHTS)
    (folder / "checkpoint.ckpt").write_text("not looked at where there are safetensors")
    (folder / "config.json").write_text(json.dumps(official_config(released(4).architecture)))
    return folder


FORMS = [_bare, _bare_pickle, _state_dict, _gen_model, _ema, _folder, _folder_with_config]


@pytest.mark.parametrize("stored", first(3, reversed(FORMS)))
@torch.no_grad()
def test_every_form_equals_the_released_model(
    stored: Callable[[Path, State], Path], tmp_path: Path
) -> None:
    fixture = load_file(spec_file("fixtures/variant4.safetensors"))
    vae = odvae.load(stored(tmp_path, _official(released(4))))
    assert isinstance(vae, ODVAE) and not vae.training
    assert vae.architecture == released(4).architecture
    posterior = vae.encode(clip("x9"))
    assert_close(posterior.mean, fixture["x9.mean"], atol=ENCODE_ATOL, rtol=0)
    assert_close(posterior.logvar, fixture["x9.logvar"], atol=ENCODE_ATOL, rtol=0)
    assert_close(vae.decode(fixture["x9.mean"]), fixture["x9.dec"], atol=DECODE_ATOL, rtol=0)


def _tiny(variant: int) -> ODVAE:
    """The narrowest model with the released one's 32 groups."""
    torch.manual_seed(0)
    return ODVAE.variant(variant, width=32, blocks=1, latent_channels=2)


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
@pytest.mark.parametrize("dtype", first(1, [torch.float32, torch.float16, torch.bfloat16]))
def test_a_variant_is_recognised(variant: int, dtype: torch.dtype, tmp_path: Path) -> None:
    vae = _tiny(variant)
    file = _bare(tmp_path, {name: value.to(dtype) for name, value in _official(vae).items()})
    loaded = open_vae(str(file))
    assert isinstance(loaded.vae, ODVAE) and loaded.vae.architecture == vae.architecture
    assert (loaded.source, loaded.revision) == (str(file), None)
    assert loaded.sha256 == file_sha256(file)
    expected = {name: value.to(dtype).float() for name, value in vae.state_dict().items()}
    assert_close(loaded.vae.state_dict(), expected, atol=0, rtol=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Variant 4 as written for the released loader."""
    vae = _tiny(4)
    write(StoredVAE(vae.architecture, vae.state_dict()), Target.official, tmp_path / "vae")
    return tmp_path / "vae"


def _edit(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": 64},
        {"z_channels": 4},
        {"num_res_blocks": 2},
        {"hidden_size_mult": [1, 2, 4, 8]},
        {"encoder_conv_in": "CausalConv3d"},
        {"encoder_attention": "AttnBlock3D"},  # the same tensors, another function
        {"decoder_temporal_upsample": ["", "", "TimeUpsample2x", "TimeUpsample2x"]},
        {"norm_type": "layernorm"},
        {"norm_num_groups": "many"},
    ],
)
def test_a_configuration_that_contradicts_is_refused(folder: Path, fields: Any) -> None:
    _edit(folder, **fields)
    (field,) = fields
    with pytest.raises(UserError, match=rf"config\.json: {field} ") as error:
        odvae.load(folder)
    assert "\n" not in str(error.value)


def test_what_is_beside_the_function_does_not_matter(folder: Path) -> None:
    _edit(folder, lr=1e-5, _name_or_path="..", q_conv="CausalConv3d_GC", loss_params={"kl": 1})
    assert isinstance(odvae.load(folder), ODVAE)


def test_norm_groups_that_are_stated_count(folder: Path) -> None:
    _edit(folder, norm_num_groups=8)
    vae = odvae.load(folder)
    assert isinstance(vae, ODVAE) and vae.architecture.norm_groups == 8


def test_misfits_are_listed_with_the_file(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["decoder.norm_out.bias"]
    tensors["encoder.down.1.time_downsample.mix_factor"] = torch.zeros(1)
    tensors["quant_conv.conv.bias"] = torch.zeros(3)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UserError) as error:
        odvae.load(folder)
    for part in (f"{folder / WEIGHTS}: ", "1 missing: dec", "1 unexpected: enc", "quant_conv.bias"):
        assert part in str(error.value)


def test_numbers_that_are_no_floats_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["quant_conv.conv.bias"] = tensors["quant_conv.conv.bias"].to(torch.int8)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UserError, match=r"quant_conv\.bias holds int8, not floats"):
        odvae.load(folder)


def test_32_groups_that_do_not_fit_the_width(tmp_path: Path) -> None:
    file = _bare(tmp_path, official_state(small(4)))
    with pytest.raises(UserError, match=rf"^{file}: norm_groups=32 does not divide the 8 channels"):
        odvae.load(file)


class TestOwnFolder:
    """What ``vae.save`` wrote."""

    @pytest.mark.parametrize("variant", [IMAGE, *VIDEO_VARIANTS])
    def test_it_comes_back(self, variant: int, tmp_path: Path) -> None:
        vae = small(variant, Operators.strict)
        vae.save(tmp_path / "vae")
        for source in ("vae", "vae/model.safetensors"):  # the configuration beside a file counts
            loaded = open_vae(tmp_path / source)
            assert isinstance(loaded.vae, ODVAE) and loaded.vae.architecture == vae.architecture
            assert_close(loaded.vae.state_dict(), vae.state_dict(), atol=0, rtol=0)
            assert loaded.sha256 == file_sha256(tmp_path / "vae" / "model.safetensors")

    @pytest.mark.parametrize("variant", [IMAGE, 4])
    def test_its_tensors_alone_say_too_little(self, variant: int, tmp_path: Path) -> None:
        small(variant).save(tmp_path / "vae")
        (tmp_path / "vae" / "config.json").unlink()
        with pytest.raises(UserError, match=r"config\.json is needed"):
            odvae.load(tmp_path / "vae")

    def test_a_missing_weights_file(self, tmp_path: Path) -> None:
        small(4).save(tmp_path / "vae")
        (tmp_path / "vae" / "model.safetensors").unlink()
        with pytest.raises(UserError, match=r"vae: holds a config\.json, but no weights"):
            odvae.load(tmp_path / "vae")


def test_folders_without_a_single_weights_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no config\.json and no weights"):
        odvae.load(tmp_path)
    for name in ("a.ckpt", "b.ckpt"):
        torch.save({}, tmp_path / name)
    with pytest.raises(UserError, match=r"holds several weights files \(a\.ckpt, b\.ckpt\)"):
        odvae.load(tmp_path)


@pytest.mark.parametrize(
    "source", ["", "nowhere", "./no/where", "/no/where", "a/b c", Path("no/where")]
)
def test_nothing_there(source: str | Path) -> None:
    with pytest.raises(UserError, match=r"no such folder, no such file$"):
        odvae.load(source)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(UserError, match=r"cannot be read \(File name too long\)"):
        odvae.load("x" * 5000)


@pytest.mark.parametrize("text", ["{", "[]", '{"hidden": 3}', '{"variant": 4}'])
def test_a_strange_configuration(text: str, tmp_path: Path) -> None:
    small(4).save(tmp_path / "vae")
    (tmp_path / "vae" / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json: not ") as error:
        odvae.load(tmp_path / "vae")
    assert "\n" not in str(error.value)


def test_a_foreign_model_is_refused(tmp_path: Path) -> None:
    save_file({"transformer.wte.weight": torch.zeros(3, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="neither an OD-VAE nor an SD-VAE"):
        odvae.load(tmp_path)
