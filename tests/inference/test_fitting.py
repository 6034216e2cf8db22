"""Any size goes in and comes back, whatever the VAE takes."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.inference import (
    CodedVideo,
    Tiling,
    decode_video,
    encode,
    encode_video,
    fitted,
    reconstruct,
)
from odvae.model import ClipLengths, Compression, Operators
from tests.inference.fake_vae import FrameNumberVAE, LosslessVAE, numbered, values
from tests.model.formula import small

TILED = [
    Tiling.off(),
    Tiling.temporal(5),
    Tiling.temporal(33),
    Tiling.spatiotemporal(9, tile_px=16, overlap=0.5),
    Tiling.spatiotemporal(5, tile_px=24, overlap=0),
    Tiling.stream(1),
    Tiling.stream(6),
]
ODD_SIZES = [(1, 1), (7, 17), (24, 15), (31, 9)]


def noise(frames: int, height_px: int, width_px: int) -> Tensor:
    """(1, 3, T, H, W) in [-1, 1)."""
    generator = torch.Generator().manual_seed(frames)
    return torch.rand(1, 3, frames, height_px, width_px, generator=generator) * 2 - 1


@pytest.mark.parametrize("tiling", TILED, ids=str)
@pytest.mark.parametrize("frames", range(1, 41))
def test_nothing_of_the_clip_is_lost_or_moved(frames: int, tiling: Tiling) -> None:
    """With a VAE that loses nothing, the clip itself comes back, whatever its size."""
    vae = LosslessVAE(Compression(4, 8, 8))
    for size in ODD_SIZES:
        video = noise(frames, *size)
        assert_close(reconstruct(vae, video, tiling), video)


@pytest.mark.parametrize(
    ("compression", "first"),
    [
        (Compression(1, 4, 4), 1),  # an image VAE
        (Compression(8, 8, 8), 1),
        (Compression(4, 8, 16), 1),
        (Compression(4, 8, 8), 4),  # frame 0 is not by itself
    ],
)
@pytest.mark.parametrize("frames", range(1, 41))
def test_with_any_compression(frames: int, compression: Compression, first: int) -> None:
    vae, video = LosslessVAE(compression, first=first), noise(frames, 11, 35)
    by_groups = [Tiling.temporal(9), Tiling.spatiotemporal(17, tile_px=32, overlap=0.5)]
    for tiling in [Tiling.off(), Tiling.stream(7), *(by_groups if first == 1 else [])]:
        assert_close(reconstruct(vae, video, tiling), video)


@pytest.mark.parametrize("frames", range(1, 12))
def test_a_length_is_filled_up_with_the_last_frame(frames: int) -> None:
    vae = FrameNumberVAE(4)
    filled = values(fitted(vae, numbered(frames)))
    assert vae.clip_lengths.takes(len(filled))
    assert len(filled) < frames + 4
    assert filled == list(range(frames)) + [frames - 1] * (len(filled) - frames)


def test_a_side_is_filled_up_with_its_last_pixels() -> None:
    video = noise(3, 9, 15)
    filled = fitted(LosslessVAE(Compression(4, 8, 8)), video)
    assert filled.shape == (1, 3, 5, 16, 16)
    t, y, x = (torch.arange(n).clamp(max=n_0 - 1) for n, n_0 in ((5, 3), (16, 9), (16, 15)))
    assert_close(filled, video[:, :, t][..., y, :][..., x], atol=0, rtol=0)


@pytest.mark.parametrize("size", [(1, 8, 8), (2, 9, 15), (6, 16, 17), (10, 7, 24)], ids=str)
@pytest.mark.parametrize(
    "tiling", [*TILED[:2], Tiling.spatiotemporal(5, tile_px=16, overlap=0.5)], ids=str
)
@torch.no_grad()
def test_the_size_comes_back_from_the_real_model(
    tiling: Tiling, size: tuple[int, int, int]
) -> None:
    video = noise(*size)
    assert reconstruct(small(4), video, tiling).shape == video.shape


@pytest.mark.parametrize("operators", [Operators.strict, Operators.strict_trilinear])
@pytest.mark.parametrize("size", [(1, 8, 8), (2, 9, 15), (11, 7, 17)], ids=str)
@torch.no_grad()
def test_a_stream_is_the_whole(size: tuple[int, int, int], operators: Operators) -> None:
    vae, video = small(4, operators), noise(*size)
    whole = reconstruct(vae, video, Tiling.off())
    for chunk_frames in (1, 5, 16):
        streamed = reconstruct(vae, video, Tiling.stream(chunk_frames))
        assert_close(streamed, whole, atol=5e-5, rtol=0)


def test_the_released_operators_are_not_streamed() -> None:
    with pytest.raises(UserError, match=r"tiling=stream .*operators=strict"):
        reconstruct(small(4, Operators.paper), noise(6, 9, 9), Tiling.stream())


def test_a_model_without_state_is_not_streamed() -> None:
    with pytest.raises(UserError, match=r"tiling=stream .*FrameNumberVAE"):
        reconstruct(FrameNumberVAE(), numbered(9), Tiling.stream())


def test_a_length_that_would_be_filled_up_is_refused_by_encode() -> None:
    with pytest.raises(ValueError, match=r"T = 1, 5, 9, \.\.\., got"):
        encode(small(4, Operators.strict), noise(6, 8, 8), Tiling.stream())


@torch.no_grad()
def test_a_size_that_fits_is_left_alone() -> None:
    vae, video = small(4), noise(5, 16, 24)
    assert fitted(vae, video) is video
    assert_close(reconstruct(vae, video, Tiling.off()), vae(video), atol=0, rtol=0)


@torch.no_grad()
def test_latents_know_the_size_of_their_clip() -> None:
    vae, video = small(4), noise(6, 17, 13)
    coded = encode_video(vae, video, Tiling.off())
    assert coded.latents.shape == (1, 4, 3, 3, 2)
    assert (coded.frames, coded.height_px, coded.width_px) == (6, 17, 13)
    again = decode_video(vae, coded, Tiling.off())
    assert_close(again, reconstruct(vae, video, Tiling.off()), atol=0, rtol=0)


@pytest.mark.parametrize("size", [(10, 17, 13), (5, 17, 13), (6, 16, 13), (6, 17, 17)], ids=str)
@torch.no_grad()
def test_latents_of_another_size_are_refused(size: tuple[int, int, int]) -> None:
    latents = encode_video(small(4), noise(6, 17, 13), Tiling.off()).latents
    with pytest.raises(ValueError, match="decode to 9 frames of 24x16 px"):
        decode_video(small(4), CodedVideo(latents, *size), Tiling.off())


@pytest.mark.parametrize("shape", [(3, 5, 8, 8), (1, 3, 0, 8, 8), (1, 3, 5, 0, 8), (8, 8)])
def test_no_clip_at_all_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(B, 3, T, H, W\)"):
        reconstruct(small(4), torch.zeros(shape), Tiling.off())


@pytest.mark.parametrize(
    ("lengths", "taken"),
    [
        (ClipLengths(), [1, 2, 3, 4, 5]),
        (ClipLengths(step=4), [1, 5, 9]),
        (ClipLengths(first=4, step=4), [4, 8, 12]),
    ],
)
def test_clip_lengths(lengths: ClipLengths, taken: list[int]) -> None:
    assert [frames for frames in range(taken[-1] + 1) if lengths.takes(frames)] == taken
    assert [lengths.at_least(frames) for frames in taken] == taken
    assert all(lengths.takes(lengths.at_least(frames)) for frames in range(1, 40))
