"""Each rewriting by itself against the plain operator, in float64, where only algebra differs."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.acceleration.building import pipeline
from odvae.acceleration.causal_conv import TemporalConv
from odvae.acceleration.clip import Rows, Stage, strips
from odvae.acceleration.framewise import FrameConv, apply_framewise
from odvae.acceleration.kernels import LINEAR_DOUBLED, NEAREST_DOUBLED, SAME_SIZE, Kernel
from odvae.acceleration.pipeline import Pipeline
from odvae.acceleration.row_winograd import ROW_FILTERED
from odvae.model.layers import (
    CausalConv3d,
    ClipGroupNorm,
    FrameAttention,
    FrameConv2d,
    FrameGroupNorm,
    ResnetBlock,
)
from odvae.model.resampling import Downsample, SpaceTimeUpsample, SpatialUpsample

FRAMES = [1, 2, 3, 4, 5, 6, 9]
KERNELS = [SAME_SIZE, ROW_FILTERED, NEAREST_DOUBLED, LINEAR_DOUBLED]
Make = Callable[[], nn.Module]

OPERATORS: dict[str, Make] = {
    "wide 3D": lambda: CausalConv3d(20, 24, kernel=(3, 3, 3)),
    "from thin 3D": lambda: CausalConv3d(3, 20, kernel=(3, 3, 3)),
    "to thin 3D": lambda: CausalConv3d(20, 3, kernel=(3, 3, 3)),
    "pointwise": lambda: CausalConv3d(6, 4, kernel=(1, 1, 1)),
    "2D": lambda: FrameConv2d(6, 4, 3, padding=1),
    "wide 2D": lambda: FrameConv2d(20, 24, 3, padding=1),
    "trilinear": lambda: SpaceTimeUpsample(6, trilinear=True),
    "nearest": lambda: SpaceTimeUpsample(6, trilinear=False),
    "nearest 2D": lambda: SpatialUpsample(6),
    "down": lambda: Downsample(6, stride_t=2, conv_3d=True),
    "down in space": lambda: Downsample(6, stride_t=1, conv_3d=True),
    "down 2D": lambda: Downsample(6, stride_t=1, conv_3d=False),
    "block": lambda: ResnetBlock(6, 6, spans_time=True, norm=_frame_norm),
    "block with shortcut": lambda: ResnetBlock(6, 9, spans_time=True, norm=_clip_norm),
    "block 2D": lambda: ResnetBlock(6, 9, spans_time=False, norm=_frame_norm),
    "attention": lambda: FrameAttention(6, norm=_frame_norm),
    "attention of clips": lambda: FrameAttention(6, norm=_clip_norm),
    "clip norm": lambda: _clip_norm(6),
    "frame norm": lambda: _frame_norm(6),
}
OF_WHOLE_CLIPS = {"attention of clips", "block with shortcut", "clip norm"}


def _frame_norm(channels: int) -> nn.Module:
    return FrameGroupNorm(3, channels)


def _clip_norm(channels: int) -> nn.Module:
    return ClipGroupNorm(3, channels)


def _made(make: Make) -> nn.Module:
    torch.manual_seed(0)
    module = make().double().requires_grad_(False)
    for parameter in module.parameters():
        parameter.normal_()  # norms and biases too: zeros and ones would hide mistakes
    return module


def _channels(module: nn.Module) -> int:
    return next(
        part.in_channels if isinstance(part, nn.Conv2d | nn.Conv3d) else part.num_channels
        for part in module.modules()
        if isinstance(part, nn.Conv2d | nn.Conv3d | nn.GroupNorm)
    )


def _clip(channels: int, frames: int, *, height: int = 6, width: int = 10) -> Tensor:
    """(1, C, T, H, W)."""
    generator = torch.Generator().manual_seed(frames)
    size = (1, channels, frames, height, width)
    return torch.randn(size, generator=generator, dtype=torch.float64)


def _stored(clip: Tensor) -> Tensor:
    """(1, C, T, H, W) to a new (T, C, H, W) with channels last."""
    return clip[0].permute(1, 2, 3, 0).clone(memory_format=torch.contiguous_format).movedim(3, 1)


def _run(stage: Stage, clip: Tensor, pieces: list[int]) -> Tensor:
    """The clip in pieces of so many frames, joined again: (1, C, T, H, W)."""
    outputs, state = [], None
    parts = clip.split(pieces, dim=2)
    for i, part in enumerate(parts):
        y, state = stage(_stored(part), state, last=i == len(parts) - 1)
        outputs.append(y)
    return torch.cat(outputs).transpose(0, 1).unsqueeze(0)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_whole_clip(name: str, frames: int) -> None:
    plain = _made(OPERATORS[name])
    clip = _clip(_channels(plain), frames)
    assert_close(_run(pipeline([plain], torch.float64), clip, [frames]), plain(clip))


@pytest.mark.parametrize("pieces", [[1] * 9, [0, 2, 0, 3, 4, 0], [5, 3, 1], [3, 6, 0]])
@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - OF_WHOLE_CLIPS))
def test_in_pieces(name: str, pieces: list[int]) -> None:
    plain = _made(OPERATORS[name])
    clip = _clip(_channels(plain), sum(pieces))
    assert_close(_run(pipeline([plain], torch.float64), clip, pieces), plain(clip))


@pytest.mark.parametrize(("height", "width"), [(2, 2), (1, 1), (5, 37), (40, 3)])
@pytest.mark.parametrize(
    "name", ["wide 3D", "wide 2D", "trilinear", "nearest", "nearest 2D", "to thin 3D"]
)
def test_odd_sizes(name: str, height: int, width: int) -> None:
    plain = _made(OPERATORS[name])
    clip = _clip(_channels(plain), 6, height=height, width=width)
    assert_close(_run(pipeline([plain], torch.float64), clip, [6]), plain(clip))


@pytest.mark.parametrize("kernel", KERNELS)
def test_strips_of_a_frame_are_the_frame(kernel: Kernel) -> None:
    """What keeps numbers of elements small enough to index, and to cache."""
    torch.manual_seed(0)
    weight, bias = torch.randn(4, 6, 3, 3).double(), torch.randn(4).double()
    x = _stored(_clip(6, 3, height=11, width=7))
    prepared = kernel.prepare(weight)
    whole = kernel.apply(x, prepared, bias, Rows(0, 11, 11))
    for most in (1, 500, 4000):
        small = kernel._replace(call_elements=most)
        assert_close(apply_framewise(small, x, prepared, bias), whole)


@pytest.mark.parametrize("kernel", KERNELS)
def test_strips_of_a_tile_are_the_tile(kernel: Kernel) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(4, 6, 3, 3, 3).double(), torch.randn(4).double()
    clip = _clip(6, 6, height=11, width=7)
    whole = _run(TemporalConv(weight, bias, kernel), clip, [6])
    for most in (1, 1500, 6000):
        stage = TemporalConv(weight, bias, kernel._replace(strip_elements=most))
        assert_close(_run(stage, clip, [6]), whole)


def test_strips_cover_a_frame_once() -> None:
    for height in range(1, 20):
        for most in range(8):
            rows = list(strips(height, most))
            covered = [row for strip in rows for row in range(strip.first, strip.last)]
            assert covered == list(range(height))
            assert all(strip.last - strip.first <= max(1, most) for strip in rows)


def test_framewise_stages_in_chunks_are_all_at_once() -> None:
    torch.manual_seed(0)
    stages = [
        FrameConv(torch.randn(6, 6, 3, 3).double(), torch.randn(6).double(), SAME_SIZE)
        for _ in range(2)
    ]
    clip = _clip(6, 5)
    whole = _run(Pipeline(stages), clip, [5])
    for frames in (0, 2, 5):
        assert_close(_run(Pipeline(stages, at_once=frames * 6 * 60), clip, [5]), whole)


@pytest.mark.parametrize("at_once", [1, 2 * 6 * 60, 4 * 6 * 60])
@pytest.mark.parametrize("make", [FrameGroupNorm, ClipGroupNorm])
def test_large_clips_are_normalised_in_place(
    make: type[FrameGroupNorm | ClipGroupNorm], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _made(lambda: make(3, 6))
    clip = _clip(6, 5)
    norm = pipeline([plain, nn.SiLU()], torch.float64)
    monkeypatch.setattr("odvae.acceleration.norm._COPIED", 0)
    monkeypatch.setattr("odvae.acceleration.norm._AT_ONCE", at_once)
    assert_close(_run(norm, clip, [5]), F.silu(plain(clip)))
    stored = _stored(clip)
    made, _ = norm(stored, None, last=True)
    assert made.data_ptr() == stored.data_ptr()


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(TypeError, match="no accelerated form of Linear"):
        pipeline([nn.Linear(2, 2)], torch.float32)
