"""Declared dependence on frames against the real one: change a frame, see which outputs change."""

import copy
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from odvae.model import IMAGE, ODVAE, VARIANTS, VIDEO_VARIANTS, Operators
from odvae.model.causality import Frames, Reach, frames_seen, reach, takes_whole_clip_statistics
from odvae.model.layers import CausalConv3d, ClipGroupNorm, FrameGroupNorm, ResnetBlock
from odvae.model.resampling import Downsample, SpaceTimeUpsample, SpatialUpsample
from tests.model.formula import small
from tests.sampling import first

CASES = [(variant, how) for variant in VARIANTS for how in Operators]


def without_clip_norms(variant: int, operators: Operators) -> ODVAE:
    """A small model in float64 whose norms are per frame whatever its operators are."""
    vae = copy.deepcopy(small(variant, operators)).double()
    for module in vae.modules():
        for name, child in module.named_children():
            if isinstance(child, ClipGroupNorm):
                norm = FrameGroupNorm(child.num_groups, child.num_channels, eps=child.eps)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm.double())
    return vae


def real_dependence(
    run: Callable[[Tensor], Tensor], x: Tensor, changed_frames: Sequence[int]
) -> list[list[int]]:
    """For each frame, the outputs that are not the same to the bit when it is another."""
    whole = run(x)
    noise = torch.rand(x[:, :, 0].shape, generator=torch.Generator().manual_seed(1)).to(x)
    found = []
    for frame in changed_frames:
        other = x.clone()
        other[:, :, frame] = 4 * noise - 2
        differs = (run(other) != whole).flatten(3).any(3).any(1)[0]
        found.append(differs.nonzero().flatten().tolist())
    return found


def declared_dependence(
    stages: Sequence[nn.Module], frames: int, outputs: int, changed_frames: Sequence[int]
) -> list[list[int]]:
    seen = [frames_seen(stages, Frames(t, t)).within(frames) for t in range(outputs)]
    return [
        [t for t, each in enumerate(seen) if each.first <= frame <= each.last]
        for frame in changed_frames
    ]


def check(stages: Sequence[nn.Module], x: Tensor, changed_frames: Sequence[int]) -> None:
    pipeline = nn.Sequential(*stages)
    real = real_dependence(pipeline, x, changed_frames)
    outputs = pipeline(x).shape[2]
    assert real == declared_dependence(stages, x.shape[2], outputs, changed_frames)


def noise_clip(channels: int, frames: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, frames, size, size, generator=generator).double()


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_encoder_sees_what_it_declares(variant: int) -> None:
    """Of the encoder, operators decide the norms alone."""
    vae = without_clip_norms(variant, Operators.paper)
    stages = [*vae.encoder.stages(), vae.quant_conv]
    frames = 4 * (reach(stages).frames // 4) + 9  # some latents see all, some not
    check(stages, noise_clip(3, frames, 8), [0, 5, frames - 1])


@pytest.mark.parametrize(("variant", "operators"), first(6, reversed(CASES)))
@torch.no_grad()
def test_decoder_sees_what_it_declares(variant: int, operators: Operators) -> None:
    vae = without_clip_norms(variant, operators)
    stages = [vae.post_quant_conv, *vae.decoder.stages()]
    latents = reach(stages).frames + 2
    check(stages, noise_clip(4, latents, 1), [0, 2, latents - 1])


@pytest.mark.parametrize(
    "stage",
    [
        CausalConv3d(2, 2, kernel=(3, 1, 1)),
        CausalConv3d(2, 2, kernel=(4, 3, 3), stride=(3, 1, 1)),
        CausalConv3d(2, 2, kernel=(1, 3, 3)),
        Downsample(2, stride_t=2, conv_3d=True),
        Downsample(2, stride_t=1, conv_3d=False),
        SpatialUpsample(2),
        SpaceTimeUpsample(2, trilinear=True),
        SpaceTimeUpsample(2, trilinear=False),
        ResnetBlock(2, 2, spans_time=True, norm=lambda c: FrameGroupNorm(1, c)),
        ResnetBlock(2, 2, spans_time=False, norm=lambda c: FrameGroupNorm(1, c)),
    ],
    ids=lambda stage: type(stage).__name__,
)
@torch.no_grad()
def test_each_operator(stage: nn.Module) -> None:
    check([copy.deepcopy(stage).double()], noise_clip(2, 13, 6), range(13))


def test_reach_of_operators() -> None:
    conv, down = CausalConv3d(1, 1, kernel=(3, 3, 3)), Downsample(1, stride_t=2, conv_3d=True)
    assert reach([conv]) == Reach(frames=3, context=2, ahead=0, rate=Fraction(1))
    assert reach([down]) == Reach(frames=3, context=2, ahead=0, rate=Fraction(2))
    nearest, trilinear = (SpaceTimeUpsample(1, trilinear=how) for how in (False, True))
    assert reach([nearest]) == Reach(frames=2, context=1, ahead=0, rate=Fraction(1, 2))
    assert reach([trilinear]) == Reach(frames=3, context=2, ahead=1, rate=Fraction(1, 2))


def test_reach_adds_up_over_the_released_encoder() -> None:
    """Each convolution adds two frames of its own input, which are 1, 2 or 4 of the clip's."""
    whole = reach(small(4).encoder.stages())
    of_the_clip, halved, quartered = 1, 4 + 1, 4 + 4 + 1  # causal convolutions
    assert whole.frames == 1 + 2 * (of_the_clip + 2 * halved + 4 * quartered) == 95
    assert (whole.ahead, whole.rate) == (0, Fraction(4))
    assert [whole.own_frames(j) for j in range(3)] == [(0, 0), (1, 4), (5, 8)]


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_only_trilinear_upsampling_looks_ahead(variant: int) -> None:
    paper, strict, mixed = (small(variant, operators) for operators in Operators)
    for vae, ahead in ((paper, 1), (strict, 0), (mixed, 1)):  # latents (the method, section 1)
        assert reach(vae.encoder.stages()).ahead == 0
        assert reach(vae.decoder.stages()).ahead == ahead
    own = reach(strict.decoder.stages()).own_frames
    assert [own(frame).last for frame in range(6)] == [0, 1, 1, 1, 1, 2]


def test_norms_over_the_clip_are_told_apart() -> None:
    assert takes_whole_clip_statistics(small(4))
    for operators in (Operators.strict, Operators.strict_trilinear):
        assert not takes_whole_clip_statistics(small(4, operators))
    assert not takes_whole_clip_statistics(small(IMAGE))


def test_undeclared_stages_are_refused() -> None:
    with pytest.raises(TypeError, match="GRU does not declare frames_seen"):
        frames_seen([nn.GRU(1, 1)], Frames(0, 0))
