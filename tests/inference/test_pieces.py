"""A video in pieces of any size is coded as it is in one piece, as soon as it can be."""

import random
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.inference import (
    Tiling,
    decode_video_pieces,
    encode_video,
    encode_video_pieces,
    reconstruct,
)
from odvae.inference.temporal import windows
from odvae.model import Compression
from tests.inference.fake_vae import FrameNumberVAE, LosslessVAE, numbered, values

TILINGS = [
    Tiling.off(),
    Tiling.temporal(9),
    Tiling.spatiotemporal(5, tile_px=16, overlap=0.5),
    Tiling.stream(3),
]


def in_pieces(video: Tensor, *, seed: int) -> Iterator[Tensor]:
    dice, start = random.Random(seed), 0
    while start < video.shape[2]:
        size = dice.randint(1, 7)
        yield video[:, :, start : start + size]
        start += size


@pytest.mark.parametrize("tiling", TILINGS, ids=str)
@pytest.mark.parametrize("frames", [1, 2, 5, 9, 14, 17, 30])
def test_pieces_are_the_whole(frames: int, tiling: Tiling) -> None:
    vae = LosslessVAE(Compression(4, 8, 8))
    video = torch.rand(1, 3, frames, 19, 33, generator=torch.Generator().manual_seed(1)) * 2 - 1
    coded = encode_video(vae, video, tiling)
    latents = [*encode_video_pieces(vae, in_pieces(video, seed=frames), tiling)]
    assert_close(torch.cat(latents, dim=2), coded.latents)
    pieces = in_pieces(coded.latents, seed=frames + 1)
    decoded = torch.cat(
        [*decode_video_pieces(vae, pieces, tiling, height_px=19, width_px=33)], dim=2
    )
    assert_close(decoded[:, :, :frames], reconstruct(vae, video, tiling))


@pytest.mark.parametrize("shared", [0, 1, 2])
@pytest.mark.parametrize("frames", range(1, 14))
def test_windows_of_pieces_are_those_of_the_whole(frames: int, shared: int) -> None:
    stride = 4 - shared
    starts = range(0, max(frames - shared, 1), stride)
    expected = [list(range(start, min(start + 4, frames))) for start in starts]
    for pieces in ([numbered(frames)], in_pieces(numbered(frames), seed=frames)):
        got = windows(pieces, 4, shared=shared)
        assert [values(window) for window in got] == expected


def test_a_group_is_coded_as_soon_as_it_is_there() -> None:
    vae, asked = FrameNumberVAE(), list[int]()

    def frames() -> Iterator[Tensor]:
        for number in range(13):
            asked.append(number)
            yield numbered(13)[:, :, number : number + 1]

    seen = [asked[-1] for _ in encode_video_pieces(vae, frames(), Tiling.temporal(5))]
    assert seen == [4, 8, 12]
