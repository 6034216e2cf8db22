"""Which groups are made, with a VAE of known answers."""

import re

import pytest
import torch
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.inference import Tiling, decode, encode
from tests.inference.fake_vae import FrameNumberVAE, numbered, values


def spans(calls: list[list[int]]) -> list[tuple[int, int]]:
    """[first, past-the-end) of each call, which must have seen consecutive frames."""
    assert all(call == list(range(call[0], call[-1] + 1)) for call in calls)
    return [(call[0], call[-1] + 1) for call in calls]


def test_the_papers_97_frames() -> None:
    vae, tiling = FrameNumberVAE(), Tiling.temporal(33)
    latents = encode(vae, numbered(97), tiling).mode()
    assert spans(vae.encoded) == [(0, 33), (32, 65), (64, 97)]
    assert values(latents) == list(range(0, 97, 4))  # 25 latents

    video = decode(vae, numbered(25), tiling)
    assert spans(vae.decoded) == [(0, 9), (8, 17), (16, 25)]
    assert video.shape == (1, 1, 97, 1, 1)


@pytest.mark.parametrize(
    ("frames", "group_frames", "expected"),
    [
        (1, 5, [(0, 1)]),
        (5, 5, [(0, 5)]),
        (5, 33, [(0, 5)]),
        (9, 5, [(0, 5), (4, 9)]),
        (13, 9, [(0, 9), (8, 13)]),  # the last group is shorter
        (33, 9, [(0, 9), (8, 17), (16, 25), (24, 33)]),
        (37, 33, [(0, 33), (32, 37)]),
    ],
)
def test_groups_share_one_frame(
    frames: int, group_frames: int, expected: list[tuple[int, int]]
) -> None:
    vae = FrameNumberVAE()
    encode(vae, numbered(frames), Tiling.temporal(group_frames))
    assert spans(vae.encoded) == expected
    decode(vae, numbered(1 + (frames - 1) // 4), Tiling.temporal(group_frames))
    assert spans(vae.decoded) == [(start // 4, (stop - 1) // 4 + 1) for start, stop in expected]


@pytest.mark.parametrize("time_compression", [1, 2, 4, 8])
@pytest.mark.parametrize("frames", [1, 9, 17, 25, 73])
@pytest.mark.parametrize("group_frames", [9, 17, 33])
def test_equal_to_the_whole_where_no_context_is_lost(
    time_compression: int, frames: int, group_frames: int
) -> None:
    vae, tiling = FrameNumberVAE(time_compression), Tiling.temporal(group_frames)
    whole = encode(vae, numbered(frames), Tiling.off())
    tiled = encode(vae, numbered(frames), tiling)
    assert_close(tiled.moments, whole.moments, atol=0, rtol=0)
    video = decode(vae, whole.mode(), Tiling.off())
    assert video.shape[2] == frames
    assert_close(decode(vae, whole.mode(), tiling), video, atol=0, rtol=0)


def test_off_is_one_call() -> None:
    vae = FrameNumberVAE()
    decode(vae, encode(vae, numbered(97), Tiling.off()).mode(), Tiling.off())
    assert (len(vae.encoded), len(vae.decoded)) == (1, 1)


@pytest.mark.parametrize("frames", [2, 4, 36])
def test_the_error_names_the_clip_not_the_last_group(frames: int) -> None:
    vae = FrameNumberVAE()
    with pytest.raises(
        ValueError, match=re.escape(f"T = 1, 5, 9, ..., got (1, 1, {frames}, 1, 1)")
    ):
        encode(vae, numbered(frames), Tiling.temporal(33))
    assert not vae.encoded


def test_a_clip_without_its_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("(B, 3, T, H, W)")):
        encode(FrameNumberVAE(), torch.zeros(3, 5, 9, 8), Tiling.temporal(5))


def test_groups_must_suit_the_compression_of_time() -> None:
    vae, message = FrameNumberVAE(8), re.escape("tiling.group_frames must be 8m+1")
    with pytest.raises(UserError, match=message):
        encode(vae, numbered(17), Tiling.temporal(13))
    with pytest.raises(UserError, match=message):
        decode(vae, numbered(3), Tiling.temporal(13))
