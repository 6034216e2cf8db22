"""From an image VAE's kernels to a video VAE's (paper section 3.4)."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.model import (
    IMAGE,
    ODVAE,
    VIDEO_VARIANTS,
    Initialisation,
    image_state_dict,
    inflate,
)
from tests.model.diffusers_names import to_diffusers_names
from tests.model.formula import small, small_clip

COPYING = [how for how in Initialisation if how is not Initialisation.random]


def video_vae(variant: int) -> ODVAE:
    return ODVAE.variant(variant, width=8, norm_groups="channels/4").eval()


@pytest.fixture
def image() -> dict[str, Tensor]:
    return image_state_dict(small(IMAGE))


@pytest.mark.parametrize("how", COPYING)
@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_taps_sum_to_the_image_kernel(
    variant: int, how: Initialisation, image: dict[str, Tensor]
) -> None:
    """And every tensor comes from the image VAE, with none missing or left over."""
    state = inflate(video_vae(variant), image, how).state_dict()
    assert state.keys() == image.keys()
    for name, tensor in state.items():
        assert_close(tensor.sum(2) if tensor.ndim == 5 else tensor, image[name])


def test_where_the_taps_go(image: dict[str, Tensor]) -> None:
    name = "decoder.mid.block_1.conv1.weight"
    kernel, zero = image[name], torch.zeros_like(image[name])
    expected = {
        Initialisation.inflate: [kernel / 3, kernel / 3, kernel / 3],
        Initialisation.center: [zero, kernel, zero],
        Initialisation.tail: [zero, zero, kernel],
    }
    for how, taps in expected.items():
        weight = inflate(video_vae(4), image, how).state_dict()[name]
        assert_close(weight, torch.stack(taps, dim=2))


def test_the_name_of_a_scheme_will_do(image: dict[str, Tensor]) -> None:
    by_name = inflate(video_vae(4), image, "tail").state_dict()
    by_value = inflate(video_vae(4), image, Initialisation.tail).state_dict()
    assert_close(by_name, by_value, atol=0, rtol=0)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_diffusers_names_give_the_same_model(
    variant: int, old: bool, image: dict[str, Tensor]
) -> None:
    renamed = to_diffusers_names(image, old=old)
    assert not renamed.keys() & {name for name in image if ".down." in name or ".mid." in name}
    from_compvis = inflate(video_vae(variant), image, "tail").state_dict()
    from_diffusers = inflate(video_vae(variant), renamed, "tail").state_dict()
    assert_close(from_diffusers, from_compvis, atol=0, rtol=0)


@torch.no_grad()
def test_an_actual_autoencoder_kl() -> None:
    """Same names, same numbers: the image VAE filled from it encodes and decodes as it does."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    reference = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 16, 32, 32),
        layers_per_block=2,
        norm_num_groups=2,
    ).eval()
    vae = inflate(ODVAE.image(width=8, norm_groups=2), reference.state_dict(), "tail").eval()
    frame = small_clip(frames=1)
    expected = reference.encode(frame[:, :, 0]).latent_dist
    posterior = vae.encode(frame)
    assert_close(posterior.mean[:, :, 0], expected.mean, atol=1e-5, rtol=0)
    assert_close(posterior.logvar[:, :, 0], expected.logvar, atol=1e-5, rtol=0)
    decoded = reference.decode(expected.mean).sample
    assert_close(vae.decode(posterior.mean)[:, :, 0], decoded, atol=1e-5, rtol=0)


def test_random_is_he_normal() -> None:
    vae = inflate(video_vae(1), None, "random", torch.Generator().manual_seed(0))
    convs = [module for module in vae.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)]
    norms = [module for module in vae.modules() if isinstance(module, nn.GroupNorm)]
    for conv in convs:
        fan_in = conv.weight[0].numel()
        standard = conv.weight * (fan_in / 2) ** 0.5  # N(0, 1), whatever the kernel
        error = 5 / standard.numel() ** 0.5  # five standard errors of a mean or a deviation
        assert_close(standard.mean().item(), 0.0, atol=error, rtol=0)
        assert_close(standard.std().item(), 1.0, atol=error, rtol=0)
        assert conv.bias is not None
        assert not conv.bias.any()
    for norm in norms:
        assert (norm.weight == 1).all()
        assert not norm.bias.any()
    assert len(convs) + len(norms) == len(vae.state_dict()) / 2


def test_random_follows_its_generator_alone() -> None:
    def drawn(seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return inflate(video_vae(4), None, "random", generator).state_dict()

    first = drawn(0)
    assert_close(drawn(0), first, atol=0, rtol=0)  # the global generator has moved on
    assert not torch.equal(drawn(1)["quant_conv.weight"], first["quant_conv.weight"])


def test_random_copies_nothing(image: dict[str, Tensor]) -> None:
    with_image = inflate(video_vae(4), image, "random", torch.Generator().manual_seed(0))
    without = inflate(video_vae(4), None, "random", torch.Generator().manual_seed(0))
    assert_close(with_image.state_dict(), without.state_dict(), atol=0, rtol=0)


def test_misfits_are_listed(image: dict[str, Tensor]) -> None:
    del image["encoder.conv_in.bias"]
    image["loss.logvar"] = torch.zeros(())
    image["quant_conv.weight"] = torch.zeros(6, 8, 1, 1)
    vae = video_vae(4)
    before = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    with pytest.raises(UserError) as error:
        inflate(vae, image, "tail")
    message = str(error.value)
    assert "init=tail" in message
    assert "1 missing: encoder.conv_in.bias" in message
    assert "1 unexpected: loss.logvar" in message
    shapes = "quant_conv.weight (6, 8, 1, 1) instead of (8, 8, 1, 1)"
    assert f"1 of another shape: {shapes}" in message
    assert_close(vae.state_dict(), before, atol=0, rtol=0)  # nothing half done


def test_another_width_is_refused(image: dict[str, Tensor]) -> None:
    with pytest.raises(UserError, match=re.escape("decoder.conv_in.bias (32,) instead of (64,)")):
        inflate(ODVAE.variant(4, width=16, norm_groups="channels/4"), image, "tail")


def test_3d_kernels_in_the_image_vae_are_refused() -> None:
    with pytest.raises(UserError, match="of another shape"):
        inflate(video_vae(4), small(IMAGE).state_dict(), "tail")


def test_copying_needs_an_image_vae() -> None:
    with pytest.raises(ValueError, match="init=tail needs an image VAE's state dict"):
        inflate(video_vae(4), None, "tail")
