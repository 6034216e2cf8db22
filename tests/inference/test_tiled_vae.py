"""Temporal tiling of the real model."""

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from odvae.inference import Tiling, decode, encode
from odvae.model import (
    IMAGE,
    ODVAE,
    Initialisation,
    Operators,
    image_state_dict,
    inflate,
)
from tests.model.formula import clip, released, small, small_clip
from tests.model.spec_files import spec_file


@torch.no_grad()
def test_equal_to_the_released_models_tiling() -> None:
    fixture = load_file(spec_file("fixtures/variant4.safetensors"))
    mean = encode(released(4), clip("x17"), Tiling.temporal(9)).mode()
    assert_close(mean, fixture["x17.ttile.mean"], atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_papers_97_frames() -> None:
    vae, video, tiling = small(4), small_clip(frames=97), Tiling.temporal(33)
    latents = encode(vae, video, tiling).mode()
    assert latents.shape == (1, 4, 25, 2, 2)
    assert decode(vae, latents, tiling).shape == video.shape


@pytest.mark.parametrize("frames", [1, 5, 9])
@torch.no_grad()
def test_a_clip_that_fits_one_group_is_whole(frames: int) -> None:
    vae, video = small(4), small_clip(frames=frames)
    whole = encode(vae, video, Tiling.off())
    tiled = encode(vae, video, Tiling.temporal(9))
    assert_close(tiled.moments, whole.moments, atol=0, rtol=0)
    assert_close(whole.moments, vae.encode(video).moments, atol=0, rtol=0)
    decoded = decode(vae, whole.mode(), Tiling.temporal(9))
    assert_close(decoded, vae.decode(whole.mode()), atol=0, rtol=0)


@torch.no_grad()
def test_the_first_group_is_the_clips_beginning() -> None:
    vae, video = small(4), small_clip(frames=13)
    latents = encode(vae, video, Tiling.temporal(9)).mode()
    beginning, end = vae.encode(video[:, :, :9]).mode(), vae.encode(video[:, :, 8:]).mean
    assert_close(latents, torch.cat([beginning, end[:, :, 1:]], dim=2), atol=0, rtol=0)
    assert (latents - vae.encode(video).mode()).abs().max() > 1e-3  # tiling is an approximation


@torch.no_grad()
def test_no_loss_for_a_function_of_each_frame() -> None:
    """Strict operators and tail initialisation, untrained: no frame needs another."""
    vae = ODVAE.variant(4, width=8, norm_groups="channels/4", operators=Operators.strict)
    inflate(vae, image_state_dict(small(IMAGE)), Initialisation.tail).eval()
    video, tiling = small_clip(frames=21), Tiling.temporal(9)
    whole = vae.encode(video)
    assert_close(encode(vae, video, tiling).moments, whole.moments, atol=1e-5, rtol=0)
    decoded = decode(vae, whole.mode(), tiling)
    assert_close(decoded, vae.decode(whole.mode()), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_image_vae_in_groups() -> None:
    vae, video, tiling = small(IMAGE), small_clip(frames=12), Tiling.temporal(5)
    whole = vae.encode(video)
    assert_close(encode(vae, video, tiling).moments, whole.moments, atol=1e-5, rtol=0)
    assert_close(decode(vae, whole.mode(), tiling), vae.decode(whole.mean), atol=1e-5, rtol=0)
