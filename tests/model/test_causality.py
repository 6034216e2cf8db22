"""What "causal" means under each choice of operators. Frame 4j is the last that latent j covers."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.model import VIDEO_VARIANTS, Operators
from tests.model.formula import small, small_clip

FRAMES = 13  # latents 0 to 3


def largest_change(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


def with_another_end(x: Tensor, *, kept: int) -> Tensor:
    """The first ``kept`` frames of x, then noise."""
    noise = torch.rand(x[:, :, kept:].shape, generator=torch.Generator().manual_seed(1))
    return torch.cat([x[:, :, :kept], 2 * noise - 1], dim=2)


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
@pytest.mark.parametrize("latent", [0, 1, 2])
@torch.no_grad()
def test_strict_encoder_sees_no_future(variant: int, latent: int) -> None:
    vae, seen = small(variant, Operators.strict), 4 * latent + 1
    video = small_clip(frames=FRAMES)
    whole = vae.encode(video).moments
    changed = vae.encode(with_another_end(video, kept=seen)).moments
    assert_close(changed[:, :, : latent + 1], whole[:, :, : latent + 1], atol=1e-6, rtol=0)
    assert largest_change(changed[:, :, latent + 1 :], whole[:, :, latent + 1 :]) > 1e-3
    cut = vae.encode(video[:, :, :seen]).moments
    assert_close(cut, whole[:, :, : latent + 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
@pytest.mark.parametrize("latent", [0, 1, 2])
@torch.no_grad()
def test_strict_decoder_sees_no_future(variant: int, latent: int) -> None:
    vae, made = small(variant, Operators.strict), 4 * latent + 1
    latents = vae.encode(small_clip(frames=FRAMES)).mean
    whole = vae.decode(latents)
    changed = vae.decode(with_another_end(latents, kept=latent + 1))
    assert_close(changed[:, :, :made], whole[:, :, :made], atol=1e-6, rtol=0)
    assert largest_change(changed[:, :, made:], whole[:, :, made:]) > 1e-3
    assert_close(vae.decode(latents[:, :, : latent + 1]), whole[:, :, :made], atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
@torch.no_grad()
def test_paper_operators_let_the_future_in(variant: int) -> None:
    """Norms over the clip reach every frame; the released model's first latent depends on all."""
    vae = small(variant)
    video = small_clip(frames=FRAMES)
    posterior = vae.encode(video)
    changed = vae.encode(with_another_end(video, kept=9)).moments
    assert largest_change(changed[:, :, 0], posterior.moments[:, :, 0]) > 1e-3
    image = vae.encode(video[:, :, :1]).moments
    assert largest_change(image[:, :, 0], posterior.moments[:, :, 0]) > 1e-3

    decoded = vae.decode(posterior.mean)
    changed = vae.decode(with_another_end(posterior.mean, kept=3))
    assert largest_change(changed[:, :, 0], decoded[:, :, 0]) > 1e-3
