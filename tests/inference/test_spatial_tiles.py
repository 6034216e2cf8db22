"""Spatial tiles: which are made, and how they fade into each other."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.inference import Tiling, decode, encode
from odvae.inference.spatial import TileSide, apply_in_tiles, blend
from odvae.model import Compression, Deterministic, Operators
from tests.inference.fake_vae import LosslessVAE
from tests.model.formula import clip, released, small, small_clip
from tests.model.spec_files import spec_file

PUBLISHED = Tiling.spatiotemporal(9, tile_px=32, overlap=0.25)


@torch.no_grad()
def test_equal_to_the_released_models_tiling() -> None:
    fixture = load_file(spec_file("fixtures/variant4.safetensors"))
    posterior = encode(released(4), clip("x17"), PUBLISHED)
    assert_close(posterior.mode(), fixture["x17.tiled.mean"], atol=2e-5, rtol=0)
    logvar = posterior.moments.chunk(2, dim=1)[1].clamp(-30, 20)
    assert_close(logvar, fixture["x17.tiled.logvar"], atol=2e-5, rtol=0)
    decoded = decode(released(4), fixture["x17.mean"], PUBLISHED)  # tells the order of blending
    assert_close(decoded, fixture["x17.tiled.dec"], atol=5e-5, rtol=0)


@pytest.mark.parametrize(
    ("tile_px", "overlap_px", "size", "starts"),
    [
        (32, 8, 40, [0, 24]),
        (32, 8, 48, [0, 24]),
        (32, 8, 56, [0, 24, 48]),  # the last one lies inside its neighbour, as released
        (32, 0, 64, [0, 32]),
        (16, 8, 40, [0, 8, 16, 24, 32]),
        (256, 32, 512, [0, 224, 448]),
    ],
)
def test_where_tiles_start(tile_px: int, overlap_px: int, size: int, starts: list[int]) -> None:
    pixels = TileSide.of_pixels(tile_px, overlap_px, compression=8)
    assert [(span.start, span.stop) for span in pixels.spans(size)] == [
        (start, start + tile_px) for start in starts
    ]
    latents = TileSide.of_latents(tile_px, overlap_px, compression=8)
    assert [8 * span.start for span in latents.spans(size // 8)] == starts


def test_a_fade_is_linear() -> None:
    before, after = torch.full((1, 6, 1), 4.0), torch.full((1, 5, 1), 8.0)
    faded = blend(before, after, extent=4, dim=-2)
    assert_close(faded[0, :, 0], torch.tensor([4.0, 5.0, 6.0, 7.0, 8.0]))
    assert_close(blend(before, after, extent=0, dim=-2), after)
    assert_close(
        blend(before, after[:, :2], extent=4, dim=-2)[0, :, 0],  # n is limited to what there is
        torch.tensor([4.0, 6.0]),
    )
    assert (after == 8).all() and (before == 4).all()


def test_the_end_of_one_tile_lies_over_the_start_of_the_next() -> None:
    ramp = torch.arange(10.0).view(1, 1, 10)
    for extent in (1, 3, 6):
        faded = blend(ramp[..., :6], ramp[..., 6 - extent :], extent=extent, dim=-1)
        assert_close(faded, ramp[..., 6 - extent :])


def tiled_by_hand(
    fn: Callable[[Tensor], Tensor], x: Tensor, *, tile: int, stride: int, kept: int, n: int
) -> Tensor:
    """The published algorithm, written position by position."""
    tops, lefts = (range(0, side, stride) for side in x.shape[-2:])
    tiles = [[fn(x[..., i : i + tile, j : j + tile]) for j in lefts] for i in tops]
    for i, row in enumerate(tiles):
        for j, b in enumerate(row):
            if i > 0:
                a = tiles[i - 1][j]
                extent = min(n, a.shape[-2], b.shape[-2])
                for y in range(extent):
                    share = y / extent
                    b[..., y, :] = a[..., y - extent, :] * (1 - share) + b[..., y, :] * share
            if j > 0:
                a = row[j - 1]
                extent = min(n, a.shape[-1], b.shape[-1])
                for y in range(extent):
                    share = y / extent
                    b[..., y] = a[..., y - extent] * (1 - share) + b[..., y] * share
    rows = [torch.cat([b[..., :kept, :kept] for b in row], dim=-1) for row in tiles]
    return torch.cat(rows, dim=-2)


@pytest.mark.parametrize(
    ("size", "tile_px", "overlap_px"),
    [
        ((40, 48), 32, 8),
        ((56, 56), 32, 8),  # tiles that lie inside their neighbours
        ((8, 56), 32, 8),
        ((24, 40), 16, 8),
        ((32, 40), 24, 0),
    ],
)
@torch.no_grad()
def test_equal_to_the_algorithm_by_hand(
    size: tuple[int, int], tile_px: int, overlap_px: int
) -> None:
    vae = small(4)
    tiling = Tiling.spatiotemporal(tile_px=tile_px, overlap=overlap_px / tile_px)
    stride_px = tile_px - overlap_px
    video = small_clip(frames=1, size_px=56)[..., : size[0], : size[1]]
    moments = tiled_by_hand(
        lambda x: vae.encode(x).moments,
        video,
        tile=tile_px,
        stride=stride_px,
        kept=stride_px // 8,
        n=overlap_px // 8,
    )
    assert_close(encode(vae, video, tiling).moments, moments, atol=1e-5, rtol=0)

    latents = moments[:, :4]
    decoded = tiled_by_hand(
        vae.decode, latents, tile=tile_px // 8, stride=stride_px // 8, kept=stride_px, n=overlap_px
    )
    assert_close(decode(vae, latents, tiling), decoded, atol=1e-5, rtol=0)


@torch.no_grad()
def test_tiles_of_a_group_are_those_of_a_clip() -> None:
    vae, video = small(4), small_clip(frames=9, size_px=24)
    tiling = Tiling.spatiotemporal(5, tile_px=16, overlap=0.5)
    first, second = (
        encode(vae, part, tiling).moments for part in (video[:, :, :5], video[:, :, 4:])
    )
    joined = torch.cat([first, second[:, :, 1:]], dim=2)
    assert_close(encode(vae, video, tiling).moments, joined, atol=0, rtol=0)


@pytest.mark.parametrize("size_px", [8, 24, 32])
@torch.no_grad()
def test_frames_that_fit_a_tile_are_one(size_px: int) -> None:
    vae, video = small(4), small_clip(frames=13, size_px=size_px)
    posterior = encode(vae, video, Tiling.temporal(9))
    assert_close(encode(vae, video, PUBLISHED).moments, posterior.moments, atol=0, rtol=0)
    latents = posterior.mode()
    decoded = decode(vae, latents, Tiling.temporal(9))
    assert_close(decode(vae, latents, PUBLISHED), decoded, atol=0, rtol=0)


def test_a_smooth_function_has_no_seams() -> None:
    """Each tile is off by a constant of its own: blended, no step is larger than the fade's."""
    generator = torch.Generator().manual_seed(0)
    side = TileSide.of_latents(32, 16, compression=8)  # fades over 16 px

    def offset(x: Tensor) -> Tensor:
        level = torch.rand(1, 1, 1, 1, 1, generator=generator)
        return level.expand(1, 1, 1, 8 * x.shape[-2], 8 * x.shape[-1])

    line = apply_in_tiles(offset, torch.zeros(1, 1, 1, 2, 12), rows=side, columns=side)[0, 0, 0, 0]
    assert max(abs(b - a) for a, b in pairwise(line.tolist())) <= 1 / 16


def test_the_network_sees_no_more_than_a_tile() -> None:
    vae = LosslessVAE(Compression(4, 8, 8))
    encode(vae, torch.zeros(1, 3, 5, 104, 72), PUBLISHED)
    assert vae.largest_px == 32


def test_latents_without_a_posterior_are_tiled() -> None:
    vae = LosslessVAE(Compression(4, 8, 8), posterior=False)
    video = torch.rand(2, 3, 17, 40, 56)
    encoding = encode(vae, video, PUBLISHED)
    assert isinstance(encoding, Deterministic)
    assert_close(decode(vae, encoding.mode(), PUBLISHED), video)


@pytest.mark.parametrize("compression", [Compression(4, 8, 16), Compression(4, 16, 8)])
def test_tiles_must_suit_the_models_compression(compression: Compression) -> None:
    vae = LosslessVAE(compression)
    video = torch.rand(1, 3, 9, 64, 96)
    latents = vae.encode(video).mode()
    good = Tiling.spatiotemporal(9, tile_px=64, overlap=0.25)
    assert_close(encode(vae, video, good).mode(), latents)
    assert_close(decode(vae, latents, good), video)
    for bad, message in (
        (
            Tiling.spatiotemporal(9, tile_px=40, overlap=0),
            "tiling.tile_px must be a multiple of 16",
        ),
        (Tiling.spatiotemporal(9, tile_px=64, overlap=0.125), "in steps of 16/64 = 0.25"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            encode(vae, video, bad)
        with pytest.raises(UserError, match=re.escape(message)):
            decode(vae, latents, bad)


def test_the_error_names_the_clip_not_a_tile() -> None:
    with pytest.raises(ValueError, match="multiples of 8 and 8, got 40x60"):
        encode(small(4), torch.zeros(1, 3, 5, 40, 60), PUBLISHED)


@torch.no_grad()
def test_no_loss_where_tiles_need_no_context() -> None:
    vae, video = LosslessVAE(Compression(4, 8, 8)), torch.rand(2, 3, 25, 56, 104)
    whole = vae.encode(video)
    assert_close(encode(vae, video, PUBLISHED).moments, whole.moments)
    assert_close(decode(vae, whole.mode(), PUBLISHED), video)


def test_gradients_pass_through() -> None:
    vae, video = small(4, Operators.strict), small_clip(frames=5, size_px=24).requires_grad_()
    tiling = Tiling.spatiotemporal(5, tile_px=16, overlap=0.5)
    decode(vae, encode(vae, video, tiling).mode(), tiling).square().mean().backward()
    assert video.grad is not None
    assert (video.grad.abs().amax(dim=(0, 1, 2)) > 0).float().mean() > 0.9
