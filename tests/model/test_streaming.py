"""Piece by piece, with the state passed on, against the whole clip at once: (B, C, T, H, W)."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from odvae.errors import UserError
from odvae.model import ODVAE, VARIANTS, Architecture, Operators
from odvae.model.causality import Frames, frames_seen
from odvae.model.layers import (
    CausalConv3d,
    ClipGroupNorm,
    FrameAttention,
    FrameConv2d,
    FrameGroupNorm,
    ResnetBlock,
)
from odvae.model.resampling import Downsample, SpaceTimeUpsample, SpatialUpsample
from odvae.model.streaming import State, Streams, stream_through
from tests.model.formula import small

STREAMED = [Operators.strict, Operators.strict_trilinear]
CASES = [(variant, how) for variant in VARIANTS for how in STREAMED]
SIZE_PX = 16
Step = Callable[[Tensor, State, bool], tuple[Tensor, State]]


@cache
def random_vae(variant: int, operators: Operators) -> ODVAE:
    """PyTorch's random weights, float32. Shared: not to be changed."""
    architecture = Architecture(
        variant=variant, width=16, blocks=1, norm_groups="channels/4", operators=operators
    )
    with torch.random.fork_rng():
        torch.manual_seed(variant)
        vae = ODVAE(architecture)
    return vae.eval().requires_grad_(False)


def encoding(vae: ODVAE) -> Step:
    return lambda x, state, last: vae.encode_piece(x, state, last=last)


def decoding(vae: ODVAE) -> Step:
    return lambda x, state, last: vae.decode_piece(x, state, last=last)


def through(stages: Sequence[nn.Module]) -> Step:
    return lambda x, state, last: stream_through(stages, x, state, last=last)


def pieces_out(step: Step, x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """What each piece completes."""
    outs, state = [], None
    for number, piece in enumerate(x.split([*sizes], dim=2), start=1):
        out, state = step(piece, state, number == len(sizes))
        outs.append(out)
    return outs


def streamed(step: Step, x: Tensor, sizes: Sequence[int]) -> Tensor:
    return torch.cat(pieces_out(step, x, sizes), dim=2)


def chunks(frames: int, chunk: int) -> list[int]:
    return [min(chunk, frames - start) for start in range(0, frames, chunk)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tensors(state: State) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, tuple):
        for part in state:
            yield from tensors(part)
    else:
        assert state is None


def frame_norm(channels: int) -> nn.Module:
    return FrameGroupNorm(1, channels)


@pytest.mark.parametrize(
    "stage",
    [
        CausalConv3d(2, 3, kernel=(3, 3, 3)),
        CausalConv3d(2, 3, kernel=(3, 3, 3), stride=(2, 1, 1)),
        CausalConv3d(2, 3, kernel=(2, 1, 1), stride=(2, 1, 1)),
        CausalConv3d(2, 3, kernel=(4, 3, 3), stride=(3, 2, 2)),
        CausalConv3d(2, 3, kernel=(1, 3, 3)),
        FrameConv2d(2, 3, 3, stride=2),
        FrameAttention(2, norm=frame_norm),
        Downsample(2, stride_t=2, conv_3d=True),
        Downsample(2, stride_t=1, conv_3d=True),
        Downsample(2, stride_t=1, conv_3d=False),
        SpatialUpsample(2),
        SpaceTimeUpsample(2, trilinear=True),
        SpaceTimeUpsample(2, trilinear=False),
        ResnetBlock(2, 2, spans_time=True, norm=frame_norm),
        ResnetBlock(2, 3, spans_time=True, norm=frame_norm),
        ResnetBlock(2, 3, spans_time=False, norm=frame_norm),
        nn.SiLU(),
    ],
    ids=lambda stage: type(stage).__name__,
)
@pytest.mark.parametrize(
    "sizes",
    [[13], [1] * 13, [3, 5, 1, 4], [0, 1, 0, 0, 2, 7, 0, 3, 0], [12, 1], [2, 11, 0]],
    ids=str,
)
@torch.no_grad()
def test_each_operator_with_pieces_of_any_size(stage: nn.Module, sizes: list[int]) -> None:
    stage = copy.deepcopy(stage).double()
    x = noise(2, 2, 13, 6, 4).double()
    assert_close(streamed(through([stage]), x, sizes), stage(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("variant", "operators"), CASES)
@pytest.mark.parametrize("frames", [1, 9])
@torch.no_grad()
def test_streamed_is_whole(variant: int, operators: Operators, frames: int) -> None:
    check_exact(variant, operators, frames, chunk_frames=[1, 4])


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "operators"), CASES)
@pytest.mark.parametrize("frames", [1, 5, 9, 17, 33])
@torch.no_grad()
def test_streamed_is_whole_for_every_chunk(variant: int, operators: Operators, frames: int) -> None:
    check_exact(variant, operators, frames, chunk_frames=range(1, 33))


def check_exact(
    variant: int, operators: Operators, frames: int, *, chunk_frames: Sequence[int]
) -> None:
    """Encoder and decoder in float32, to 1e-5 of values around 1."""
    vae = random_vae(variant, operators)
    video = noise(1, 3, frames, SIZE_PX, SIZE_PX).tanh()
    moments = vae.encode(video).moments
    latents = noise(1, 4, moments.shape[2], 2, 2)
    pixels = vae.decode(latents)
    for coding, x, whole in (
        (encoding(vae), video, moments),
        (decoding(vae), latents, pixels),
    ):
        for chunk in sorted({min(chunk, x.shape[2]) for chunk in chunk_frames}):
            got = streamed(coding, x, chunks(x.shape[2], chunk))
            assert_close(got, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("variant", "operators"), CASES)
@torch.no_grad()
def test_only_rounding_differs(variant: int, operators: Operators) -> None:
    """In float64, where rounding is 1e-9 of that in float32."""
    vae = copy.deepcopy(small(variant, operators)).double()
    video, latents = noise(1, 3, 17, 8, 8).double(), noise(1, 4, 6, 1, 1).double()
    moments, pixels = vae.encode(video).moments, vae.decode(latents)
    assert_close(streamed(encoding(vae), video, [4, 0, 1, 6, 2, 4]), moments, atol=1e-11, rtol=0)
    assert_close(streamed(decoding(vae), latents, [1, 1, 3, 1]), pixels, atol=1e-11, rtol=0)
    assert_close(streamed(decoding(vae), latents, [0, 2, 4, 0]), pixels, atol=1e-11, rtol=0)


@pytest.mark.parametrize(("variant", "operators"), CASES)
@torch.no_grad()
def test_outputs_come_as_soon_as_what_they_see(variant: int, operators: Operators) -> None:
    """The latency is the one that the operators declare: no look-ahead but the derived one."""
    vae = small(variant, operators)
    for coding, stages, x in (
        (encoding(vae), vae.encoder.stages(), noise(1, 3, 9, 8, 8)),
        (decoding(vae), vae.decoder.stages(), noise(1, 4, 5, 1, 1)),
    ):
        outs = pieces_out(coding, x, [1] * x.shape[2])
        whole = sum(out.shape[2] for out in outs)
        seen = [frames_seen(stages, Frames(t, t)).within(x.shape[2]).last for t in range(whole)]
        assert [out.shape[2] for out in outs] == [seen.count(t) for t in range(x.shape[2])]


@pytest.mark.parametrize("operators", STREAMED)
@torch.no_grad()
def test_state_does_not_grow(operators: Operators) -> None:
    """At most the two past frames that each convolution sees are kept, and nothing behind them."""
    vae = small(1, operators)
    for coding, x in (
        (encoding(vae), noise(1, 3, 32, 8, 8)),
        (decoding(vae), noise(1, 4, 8, 1, 1)),
    ):
        state, kept = None, []
        for piece in x.split(x.shape[2] // 4, dim=2):
            _, state = coding(piece, state, False)
            kept.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors(state)))
            assert all(tensor.shape[2] <= 2 for tensor in tensors(state))
            assert kept[-1] == sum(tensor.nbytes for tensor in tensors(state))
        assert len({*kept}) == 1


@pytest.mark.parametrize("operators", STREAMED)
@torch.no_grad()
def test_state_is_passed_not_stored(operators: Operators) -> None:
    vae = small(4, operators)
    x = noise(1, 4, 3, 1, 1)
    _, state = vae.decode_piece(x, None, last=False)
    before = [tensor.clone() for tensor in tensors(state)]
    first, _ = vae.decode_piece(x, state, last=True)
    again, _ = vae.decode_piece(x, state, last=True)
    assert_close(first, again, atol=0, rtol=0)
    assert_close([*tensors(state)], before, atol=0, rtol=0)


@pytest.mark.parametrize("operators", STREAMED)
@torch.no_grad()
def test_two_videos_in_turns(operators: Operators) -> None:
    vae = small(4, operators)
    videos = [noise(1, 3, 9, 8, 8, seed=seed) for seed in (1, 2)]
    alone = [pieces_out(encoding(vae), video, [2, 3, 4]) for video in videos]
    states: list[State] = [None, None]
    for turn, pieces in enumerate(zip(*(v.split([2, 3, 4], dim=2) for v in videos), strict=True)):
        for which, piece in enumerate(pieces):
            out, states[which] = vae.encode_piece(piece, states[which], last=turn == 2)
            assert_close(out, alone[which][turn], atol=0, rtol=0)


def test_gradients_through_checkpointed_pieces_are_those_of_the_whole() -> None:
    vae = copy.deepcopy(small(3, Operators.strict_trilinear)).double().requires_grad_()
    latents = noise(1, 4, 4, 1, 1).double().requires_grad_()
    weight = vae.decoder.up[2].get_submodule("upsample.conv").weight
    assert isinstance(weight, Tensor)

    def piece(x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        step = decoding(vae)
        out: tuple[Tensor, State] = checkpoint(step, x, state, last, use_reentrant=False)
        return out

    whole = torch.autograd.grad(vae.decode(latents).square().sum(), [latents, weight])
    pieces = torch.autograd.grad(
        streamed(piece, latents, [1, 2, 1]).square().sum(), [latents, weight]
    )
    assert_close(pieces, whole, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_pieces_can_be_captured_as_one_graph() -> None:
    stages: list[nn.Module] = [
        ResnetBlock(2, 2, spans_time=True, norm=frame_norm),
        SpaceTimeUpsample(2, trilinear=True),
    ]
    step = torch.compile(through(stages), backend="eager", fullgraph=True)
    x = noise(1, 2, 3, 4, 4)
    assert_close(streamed(step, x, [2, 1]), nn.Sequential(*stages)(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_norms_over_the_clip_cannot_be_streamed(variant: int) -> None:
    vae = ODVAE.variant(variant, width=8, norm_groups="channels/4", operators="paper")
    assert vae.whole_only is not None
    assert "operators=strict or operators=strict_trilinear" in vae.whole_only
    assert random_vae(variant, Operators.strict).whole_only is None
    with pytest.raises(UserError, match="whole clip"):
        vae.encode_piece(torch.zeros(1, 3, 1, 8, 8), None, last=True)
    with pytest.raises(UserError, match="whole clip"):
        vae.decode_piece(torch.zeros(1, 4, 1, 1, 1), None, last=True)


def test_a_norm_over_the_clip_inside_an_operator_is_noticed() -> None:
    attention = FrameAttention(2, norm=lambda channels: ClipGroupNorm(1, channels))
    with pytest.raises(TypeError, match="FrameAttention over the whole clip"):
        attention.stream(torch.zeros(1, 2, 1, 1, 1), None, last=True)
    assert not isinstance(ClipGroupNorm(1, 2), Streams)
    with pytest.raises(TypeError, match="ClipGroupNorm cannot be streamed"):
        stream_through([ClipGroupNorm(1, 2)], torch.zeros(1, 2, 1, 1, 1), None, last=True)


def test_pieces_of_wrong_sizes_are_refused() -> None:
    vae = small(4, Operators.strict)
    with pytest.raises(ValueError, match="multiples of 8, got 8x12"):
        vae.encode_piece(torch.zeros(1, 3, 2, 8, 12), None, last=False)
    with pytest.raises(ValueError, match="latents must be"):
        vae.decode_piece(torch.zeros(1, 3, 2, 1, 1), None, last=False)
    with pytest.raises(ValueError, match="would skip frames"):
        CausalConv3d(1, 1, kernel=(1, 3, 3), stride=(2, 1, 1))
