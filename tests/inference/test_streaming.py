"""Videos that come in pieces, through functions that know no more than the pieces."""

import copy
import random
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.inference.fitting import fitted
from odvae.inference.streaming import (
    check_streams,
    decode_stream,
    encode_stream,
)
from odvae.model import (
    IMAGE,
    ODVAE,
    VIDEO_VARIANTS,
    Operators,
    StreamingVAE,
)
from odvae.model.streaming import State
from tests.inference.fake_vae import FrameNumberVAE, numbered, values
from tests.model.formula import small, small_clip

STREAMED = [Operators.strict, Operators.strict_trilinear]


class CountingVAE(FrameNumberVAE):
    """Latent j is frame 4j, decoded frame t is latent ceil(t / 4): by counting what has passed."""

    whole_only: str | None = None

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """The state is the number of frames that have passed."""
        passed = state or 0
        own = [t for t in range(video.shape[2]) if (passed + t) % self.compression.time == 0]
        latents = video[:, :, own]
        return torch.cat([latents, -latents], dim=1), passed + video.shape[2]

    def decode_piece(self, latents: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """The state is whether frame 0 has passed."""
        frames = latents.repeat_interleave(self.compression.time, dim=2)
        return frames if state else frames[:, :, self.compression.time - 1 :], True


def noisy_latents(frames: int) -> Tensor:
    return torch.randn(1, 4, frames, 2, 2, generator=torch.Generator().manual_seed(0))


def streamed_encode(vae: StreamingVAE, video: Tensor, chunk_frames: int) -> Tensor:
    """The moments of (B, 3, T, H, W)."""
    return torch.cat([*encode_stream(vae, video.split(chunk_frames, dim=2))], dim=2)


def streamed_decode(vae: StreamingVAE, latents: Tensor, chunk_latents: int) -> Tensor:
    """The pixels of (B, C, t, h, w)."""
    return torch.cat([*decode_stream(vae, latents.split(chunk_latents, dim=2))], dim=2)


@pytest.mark.parametrize("operators", STREAMED)
@torch.no_grad()
def test_whole_tensors_in_chunks(operators: Operators) -> None:
    vae = copy.deepcopy(small(4, operators)).double()
    video, latents = small_clip(frames=33, size_px=8).double(), noisy_latents(9).double()
    moments, pixels = vae.encode(video).moments, vae.decode(latents)
    for chunk in (1, 7, 32, 100):
        assert_close(streamed_encode(vae, video, chunk), moments, atol=1e-11, rtol=0)
    for chunk in (1, 4, 10):
        assert_close(streamed_decode(vae, latents, chunk), pixels, atol=1e-11, rtol=0)


@pytest.mark.parametrize("variant", [*VIDEO_VARIANTS, IMAGE])
@pytest.mark.parametrize("seed", range(2))
@torch.no_grad()
def test_pieces_at_random(variant: int, seed: int) -> None:
    vae = small(variant, Operators.strict_trilinear)
    dice = random.Random(seed)
    video = small_clip(frames=4 * dice.randint(0, 5) + 1, size_px=8, batch=2, seed=seed)
    moments = [*encode_stream(vae, cut_at_random(video, dice))]
    assert all(part.shape[2] for part in moments)
    whole = vae.encode(video)
    assert_close(torch.cat(moments, dim=2), whole.moments, atol=1e-4, rtol=1e-4)
    pixels = [*decode_stream(vae, cut_at_random(whole.mean, dice))]
    assert all(part.shape[2] for part in pixels)
    assert_close(torch.cat(pixels, dim=2), vae.decode(whole.mean), atol=1e-4, rtol=1e-4)


def cut_at_random(x: Tensor, dice: random.Random) -> Iterator[Tensor]:
    start = 0
    while start < x.shape[2]:
        size = dice.randint(1, 7)
        yield x[:, :, start : start + size]
        start += size


@pytest.mark.parametrize("frames", range(1, 11))
@torch.no_grad()
def test_the_last_frame_is_repeated_to_a_length_it_takes(frames: int) -> None:
    vae = small(3, Operators.strict)
    video = small_clip(frames=frames, size_px=8)
    got = streamed_encode(vae, video, 3)
    assert_close(got, vae.encode(fitted(vae, video)).moments, atol=1e-4, rtol=1e-4)
    assert small(IMAGE).clip_lengths.takes(frames)
    assert streamed_encode(small(IMAGE), video, 3).shape[2] == frames


def test_pieces_are_asked_for_one_ahead() -> None:
    """As many as what has been put out needs, and the next, to know whether it is the last."""
    asked: list[int] = []

    def pieces() -> Iterator[Tensor]:
        for number, piece in enumerate(numbered(9).split(1, dim=2)):
            asked.append(number)
            yield piece

    stream = encode_stream(CountingVAE(4), pieces())
    assert asked == []
    got = [(values(moments)[0], asked[-1]) for moments in stream]
    assert got == [(0, 1), (4, 5), (8, 8)]


def test_any_implementation_can_be_streamed() -> None:
    vae = CountingVAE(4)
    moments = streamed_encode(vae, numbered(6), 2)
    assert values(moments) == [0, 4, 5]  # frame 8 of the continued video is its last one, 5
    assert values(streamed_decode(vae, numbered(3), 2)) == [0] + [1] * 4 + [2] * 4


def test_norms_over_the_clip_are_refused_with_the_choices() -> None:
    for ask in (
        check_streams,
        lambda vae: encode_stream(vae, []),
        lambda vae: decode_stream(vae, []),
    ):
        with pytest.raises(UserError, match="whole clip") as refused:
            ask(small(4, Operators.paper))
        for choice in ("operators=strict ", "operators=strict_trilinear", "tiling=temporal"):
            assert choice in str(refused.value)
        assert "\n" not in str(refused.value)


def test_vaes_without_a_state_are_refused() -> None:
    with pytest.raises(UserError, match="FrameNumberVAE does not: tiling=off or tiling=temporal"):
        check_streams(FrameNumberVAE())
    assert isinstance(check_streams(small(4, Operators.strict)), ODVAE)


def test_pieces_that_are_no_video_are_refused() -> None:
    vae = small(4, Operators.strict)
    piece = small_clip(frames=2, size_px=8)
    with pytest.raises(ValueError, match="at least one piece"):
        next(encode_stream(vae, []))
    with pytest.raises(ValueError, match=r"n >= 1, got \(1, 3, 0, 8, 8\)"):
        next(encode_stream(vae, [piece[:, :, :0]]))
    with pytest.raises(ValueError, match=r"one \(B, C, H, W\), got .*, then"):
        [*encode_stream(vae, [piece, small_clip(frames=2, size_px=16)])]
