"""Tensor names of the released model, and what is said when a state dict does not fit."""

import json
import re

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.model import IMAGE, ODVAE, VIDEO_VARIANTS, Operators, from_official, image_state_dict
from odvae.model.names import (
    from_official_names,
    to_compvis_names,
    to_diffusers_names,
    to_image_shapes,
    to_official_names,
)
from tests.model.diffusers_names import to_diffusers_names as to_diffusers_names_of_tests
from tests.model.formula import official_names, official_state, small, small_clip
from tests.model.spec_files import spec_file


def with_two_groups(variant: int) -> ODVAE:
    with torch.device("meta"):
        return ODVAE.variant(variant, width=8, norm_groups=2)


@pytest.fixture
def official() -> dict[str, Tensor]:
    return official_state(with_two_groups(4))


def shapes(state: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_names_and_shapes_are_the_released_ones(variant: int) -> None:
    expected = json.loads(spec_file("spec/official_keys.json").read_text())
    with torch.device("meta"):
        vae = ODVAE.variant(variant)
    names = official_names(vae)
    got = {names[name]: list(tensor.shape) for name, tensor in vae.state_dict().items()}
    assert got == expected[f"width 128, variant {variant}"]
    assert shapes(to_official_names(vae.state_dict())) == got
    assert from_official_names(to_official_names(vae.state_dict())).keys() == names.keys()


def test_image_names_and_shapes_are_sd_vaes() -> None:
    expected = json.loads(spec_file("spec/sd_vae_keys.json").read_text())
    with torch.device("meta"):
        vae = ODVAE.image()
    assert shapes(image_state_dict(vae)) == expected
    assert shapes(to_image_shapes(vae.state_dict())) == expected


def test_diffusers_names_and_back() -> None:
    with torch.device("meta"):
        compvis = image_state_dict(ODVAE.image(width=8, blocks=3, norm_groups=2))
    theirs = to_diffusers_names(compvis)
    assert shapes(theirs) == shapes(to_diffusers_names_of_tests(compvis))
    assert shapes(to_compvis_names(theirs)) == shapes(compvis)


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
@pytest.mark.parametrize("blocks", [1, 3])
def test_official_round_trip(variant: int, blocks: int) -> None:
    with torch.device("meta"):
        shapes_only = ODVAE.variant(
            variant, width=8, blocks=blocks, latent_channels=6, norm_groups=2
        )
    state = official_state(shapes_only)
    vae = from_official(state, norm_groups=2)
    assert vae.architecture == shapes_only.architecture
    assert not vae.training
    names = official_names(vae)
    back = {names[name]: tensor for name, tensor in vae.state_dict().items()}
    assert back.keys() == state.keys()
    for name, tensor in state.items():
        assert_close(back[name], tensor, atol=0, rtol=0)


def test_official_weights_are_copied(official: dict[str, Tensor]) -> None:
    vae = from_official(official, norm_groups=2)
    with torch.no_grad():
        before = vae.encode(small_clip(frames=1)).mean
        for tensor in official.values():
            tensor.zero_()
        assert_close(vae.encode(small_clip(frames=1)).mean, before, atol=0, rtol=0)


def test_half_precision_weights_become_float32(official: dict[str, Tensor]) -> None:
    halves = {name: tensor.half() for name, tensor in official.items()}
    vae = from_official(halves, norm_groups=2)
    assert {tensor.dtype for tensor in vae.state_dict().values()} == {torch.float32}


def test_misfits_are_listed(official: dict[str, Tensor]) -> None:
    del official["decoder.norm_out.bias"]
    official["decoder.tail.bias"] = torch.zeros(3)
    official["encoder.norm_out.bias"] = torch.zeros(3)
    with pytest.raises(UserError) as error:
        from_official(official, norm_groups=2)
    message = str(error.value)
    assert "1 missing: decoder.norm_out.bias" in message
    assert "1 unexpected: decoder.tail.bias" in message
    assert "1 of another shape: encoder.norm_out.bias (3,) instead of (32,)" in message
    assert "\n" not in message


def test_a_long_list_is_cut(official: dict[str, Tensor]) -> None:
    short = {name: t for name, t in official.items() if not name.startswith("decoder.up.3.block.0")}
    with pytest.raises(UserError, match=r"8 missing: .* and 2 more"):
        from_official(short, norm_groups=2)


def test_a_3d_convolution_in_2d_is_listed(official: dict[str, Tensor]) -> None:
    name = "decoder.up.1.block.0.conv1.conv"
    official[f"{name.removesuffix('.conv')}.weight"] = official.pop(f"{name}.weight")[:, :, 0]
    with pytest.raises(
        UserError, match=re.escape("decoder.up.1.block.0.conv1.weight (16, 32, 3, 3)")
    ):
        from_official(official, norm_groups=2)


def test_a_foreign_state_dict_is_refused() -> None:
    with pytest.raises(UserError, match=r"not an OD-VAE state dict: .*encoder\.conv_in\.weight"):
        from_official({"model.weight": torch.zeros(3)})


def test_an_unknown_pattern_of_2d_and_3d_is_refused() -> None:
    mixed = {
        name: tensor
        for variant, part in ((4, "encoder"), (2, "decoder"))
        for name, tensor in official_state(with_two_groups(variant)).items()
        if part in name or "quant_conv" in name
    }
    with pytest.raises(UserError, match=r"no known variant: .*encoder_outer=False.*inner=False"):
        from_official(mixed, norm_groups=2)


def test_an_image_vae_is_no_video_variant() -> None:
    with pytest.raises(UserError, match="no known variant"):
        from_official(official_state(small(IMAGE)), norm_groups=4)


def test_official_models_run_the_paper_operators(official: dict[str, Tensor]) -> None:
    assert from_official(official, norm_groups=2).architecture.operators is Operators.paper
