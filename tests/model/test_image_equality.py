"""An inflated, untrained video VAE against the image VAE that it came from.

With strict operators and tail initialisation the two are one function of each frame: latent j is
the image latent of frame 4j, and decoded frame t is the image decoding of latent ceil(t / 4).
"""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.model import (
    IMAGE,
    ODVAE,
    TEMPORAL_DECODER,
    VIDEO_VARIANTS,
    Architecture,
    Initialisation,
    Operators,
    image_state_dict,
    inflate,
)
from tests.model.formula import small, small_clip

FRAMES = 13
ATOL = 1e-5
COPYING = [how for how in Initialisation if how is not Initialisation.random]

every_variant = pytest.mark.parametrize("variant", VIDEO_VARIANTS)
every_copying = pytest.mark.parametrize("how", COPYING)


def inflated(variant: int, how: Initialisation, operators: Operators) -> ODVAE:
    vae = ODVAE.variant(variant, width=8, norm_groups="channels/4", operators=operators)
    return inflate(vae, image_state_dict(small(IMAGE)), how).eval()


def check(got: Tensor, expected: Tensor) -> None:
    assert_close(got, expected, atol=ATOL, rtol=0)


def largest_difference(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


@every_variant
@every_copying
@pytest.mark.parametrize("operators", Operators)
@torch.no_grad()
def test_one_frame_encodes_as_an_image(
    variant: int, how: Initialisation, operators: Operators
) -> None:
    frame = small_clip(frames=1)
    vae = inflated(variant, how, operators)
    check(vae.encode(frame).moments, small(IMAGE).encode(frame).moments)


@every_variant
@every_copying
@torch.no_grad()
def test_strict_one_frame_decodes_as_an_image(variant: int, how: Initialisation) -> None:
    latents = small(IMAGE).encode(small_clip(frames=1)).mean
    vae = inflated(variant, how, Operators.strict)
    check(vae.decode(latents), small(IMAGE).decode(latents))


@every_variant
@torch.no_grad()
def test_paper_one_frame_decode_differs(variant: int) -> None:
    """Bilinear upsampling took the place of nearest."""
    latents = small(IMAGE).encode(small_clip(frames=1)).mean
    vae = inflated(variant, Initialisation.tail, Operators.paper)
    assert largest_difference(vae.decode(latents), small(IMAGE).decode(latents)) > 1e-2


@every_variant
@torch.no_grad()
def test_strict_tail_encodes_every_fourth_frame(variant: int) -> None:
    video = small_clip(frames=FRAMES, batch=2)
    vae = inflated(variant, Initialisation.tail, Operators.strict)
    check(vae.encode(video).moments, small(IMAGE).encode(video[:, :, ::4]).moments)


@every_variant
@torch.no_grad()
def test_strict_tail_decodes_each_latent_four_times(variant: int) -> None:
    latents = small(IMAGE).encode(small_clip(frames=4, batch=2)).mean
    vae = inflated(variant, Initialisation.tail, Operators.strict)
    shown = [math.ceil(t / 4) for t in range(FRAMES)]
    check(vae.decode(latents), small(IMAGE).decode(latents)[:, :, shown])


@every_variant
@every_copying
@torch.no_grad()
def test_strict_treats_a_still_video_as_an_image(variant: int, how: Initialisation) -> None:
    frame = small_clip(frames=1)
    vae, image = inflated(variant, how, Operators.strict), small(IMAGE)
    posterior, expected = vae.encode(frame.expand(-1, -1, FRAMES, -1, -1)), image.encode(frame)
    check(posterior.moments, expected.moments.expand(-1, -1, 4, -1, -1))
    still = expected.mean.expand(-1, -1, 4, -1, -1)
    check(vae.decode(still), image.decode(expected.mean).expand(-1, -1, FRAMES, -1, -1))


@every_variant
@torch.no_grad()
def test_on_motion_other_schemes_and_operators_differ(variant: int) -> None:
    video = small_clip(frames=FRAMES)
    expected = small(IMAGE).encode(video[:, :, ::4]).moments
    for how, operators in (
        (Initialisation.inflate, Operators.strict),
        (Initialisation.center, Operators.strict),
        (Initialisation.tail, Operators.paper),
    ):
        got = inflated(variant, how, operators).encode(video).moments
        assert largest_difference(got, expected) > 1e-2


@torch.no_grad()
def test_the_image_vae_takes_each_frame_alone() -> None:
    video, image = small_clip(frames=3), small(IMAGE)
    latents = torch.cat([image.encode(video[:, :, t : t + 1]).mean for t in range(3)], dim=2)
    check(image.encode(video).mean, latents)
    frames = torch.cat([image.decode(latents[:, :, t : t + 1]) for t in range(3)], dim=2)
    check(image.decode(latents), frames)


@torch.no_grad()
def test_a_temporal_decoder_starts_as_the_image_vae_and_then_sees_the_past() -> None:
    architecture = Architecture(
        variant=TEMPORAL_DECODER, width=8, norm_groups="channels/4", operators=Operators.strict
    )
    video, image = small_clip(frames=3, batch=2), small(IMAGE)
    vae = inflate(ODVAE(architecture), image_state_dict(image), Initialisation.tail).eval()
    latents = vae.encode(video).mean
    check(latents, image.encode(video).mean)
    check(vae.decode(latents), image.decode(latents))

    inflate(vae, image_state_dict(image), Initialisation.inflate)
    check(vae.encode(video).mean, latents)  # the encoder has nothing to spread
    earlier = latents.clone()
    earlier[:, :, 0] += 1
    moved = (vae.decode(earlier) - vae.decode(latents)).abs().amax(dim=(0, 1, 3, 4))
    assert (moved > 1e-3).all()
