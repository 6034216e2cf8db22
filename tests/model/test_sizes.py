"""Which sizes go in and come out; an image is a one-frame video."""

import re

import pytest
import torch
from torch.testing import assert_close

from odvae.model import IMAGE, VIDEO_VARIANTS, Compression
from tests.model.formula import small, small_clip


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (5, 2), (9, 3)])
@torch.no_grad()
def test_shapes_of_a_video_vae(variant: int, frames: int, latents: int) -> None:
    vae = small(variant)
    video = torch.zeros(2, 3, frames, 16, 24)
    mean = vae.encode(video).mean
    assert mean.shape == (2, 4, latents, 2, 3)
    assert vae.decode(mean).shape == video.shape
    assert vae(video).shape == video.shape
    assert vae.compression == Compression(4, 8, 8)


@pytest.mark.parametrize("frames", [1, 2, 4])
@torch.no_grad()
def test_shapes_of_the_image_vae(frames: int) -> None:
    vae = small(IMAGE)
    video = torch.zeros(1, 3, frames, 8, 16)
    mean = vae.encode(video).mean
    assert mean.shape == (1, 4, frames, 1, 2)
    assert vae.decode(mean).shape == video.shape
    assert vae.compression == Compression(1, 8, 8)


@torch.no_grad()
def test_forward_decodes_the_mode() -> None:
    vae, video = small(4), small_clip(frames=5)
    assert_close(vae(video), vae.decode(vae.encode(video).mean), atol=0, rtol=0)


@pytest.mark.parametrize("variant", [IMAGE, *VIDEO_VARIANTS])
@torch.no_grad()
def test_clips_of_a_batch_do_not_mix(variant: int) -> None:
    vae, video = small(variant), small_clip(frames=5, batch=2)
    latents = vae.encode(video).mean
    decoded = vae.decode(latents)
    for clip in (slice(0, 1), slice(1, 2)):
        assert_close(vae.encode(video[clip]).mean, latents[clip], atol=1e-5, rtol=0)
        assert_close(vae.decode(latents[clip]), decoded[clip], atol=5e-5, rtol=0)


@pytest.mark.parametrize("frames", [0, 2, 3, 4, 6, 12])
def test_frames_that_would_be_lost_are_refused(frames: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"T = 1, 5, 9, ... frames, got T={frames}")):
        small(4).encode(torch.zeros(1, 3, frames, 16, 16))


@pytest.mark.parametrize("size", [(12, 16), (16, 12), (4, 4), (17, 16)])
def test_pixels_that_would_be_lost_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"multiples of 8, got {size[0]}x{size[1]}"):
        small(4).encode(torch.zeros(1, 3, 5, *size))


@pytest.mark.parametrize("shape", [(3, 5, 16, 16), (1, 4, 5, 16, 16), (1, 5, 3, 16, 16)])
def test_other_layouts_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"(B, 3, T, H, W), got {shape}")):
        small(4).encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 2, 2, 2), (1, 8, 2, 2, 2)])
def test_other_latents_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"(B, 4, t, h, w), got {shape}")):
        small(4).decode(torch.zeros(shape))
