"""What happens between a model and its scores. Clips are (B, 3, T, H, W) in [-1, 1]."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from odvae.clip_terms import Rounding
from odvae.data import open_source
from odvae.errors import UserError
from odvae.experiment.heldout import HeldOut
from odvae.experiment.scored_path import as_scored, sampled
from odvae.metrics import ProtocolConfig
from odvae.model import Deterministic, Posterior
from tests.experiment.benches import bench_of, composed, lossless, score

LEVEL = 2 / 255


@pytest.fixture
def pixels() -> torch.Tensor:
    return 2 * torch.rand(2, 3, 5, 16, 24, generator=torch.Generator().manual_seed(0)) - 1


def test_exact_pixels_are_left_alone(pixels: torch.Tensor) -> None:
    assert as_scored(pixels, ProtocolConfig()) is pixels


@pytest.mark.parametrize(("how", "mean"), [(Rounding.nearest, 0.0), (Rounding.down, -LEVEL / 2)])
def test_rounded_pixels_are_levels(pixels: torch.Tensor, how: Rounding, mean: float) -> None:
    rounded = as_scored(pixels, ProtocolConfig(rounding=how))
    levels = (rounded + 1) * 127.5
    assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert (rounded - pixels).abs().max() < LEVEL * 1.01
    assert (rounded - pixels).mean().item() == pytest.approx(mean, abs=LEVEL / 20)
    assert_close(as_scored(rounded, ProtocolConfig(rounding=how)), rounded, atol=0, rtol=0)


@pytest.mark.parametrize("bits_per_px", [None, 1.5])
def test_bytes_do_not_hide_what_is_broken(pixels: torch.Tensor, bits_per_px: float | None) -> None:
    pixels[1, 0, 2, 3, 4] = torch.nan
    row = ProtocolConfig(rounding=Rounding.nearest, mpeg4_bits_per_px=bits_per_px)
    whole, broken = as_scored(pixels, row)
    assert whole.isfinite().all()
    assert_close(broken, pixels[1], equal_nan=True, atol=0, rtol=0)


def test_noise_belongs_to_the_clip_and_the_seed() -> None:
    posterior = Posterior(torch.zeros(3, 8, 2, 4, 4))  # mean 0, variance 1
    drawn = sampled(posterior, ["a", "b", "c"], seed=0)
    turned = sampled(posterior, ["c", "a", "b"], seed=0)
    assert_close(turned, drawn[[2, 0, 1]], atol=0, rtol=0)
    alone = sampled(Posterior(torch.zeros(1, 8, 2, 4, 4)), ["b"], seed=0)
    assert_close(alone[0], drawn[1], atol=0, rtol=0)
    assert (sampled(posterior, ["a", "b", "c"], seed=1) - drawn).abs().mean() > 0.5
    assert (drawn[0] - drawn[1]).abs().mean() > 0.5
    assert abs(drawn.std().item() - 1) < 0.1


def test_without_a_posterior_there_is_nothing_to_draw() -> None:
    latents = torch.rand(2, 4, 2, 4, 4)
    assert sampled(Deterministic(latents), ["a", "b"], seed=0) is latents


def test_a_sample_costs_what_the_posterior_is_wide(short_videos: Path) -> None:
    mode = score(bench_of(composed(short_videos)), lossless())
    assert mode.psnr_db == 100
    sample = composed(short_videos, "metrics.protocol.posterior=sample")
    drawn = score(bench_of(sample), lossless())
    assert drawn.psnr_db < 20
    assert score(bench_of(sample), lossless(posterior=False)).psnr_db == 100
    assert score(bench_of(sample, batch=3), lossless()).psnr_db == drawn.psnr_db
    other = composed(short_videos, "metrics.protocol.posterior=sample", "seed=1")
    assert score(bench_of(other), lossless()).psnr_db != drawn.psnr_db


def test_what_is_computed_once_is_computed_for_each_protocol(
    tmp_path: Path, short_videos: Path
) -> None:
    words = ("metrics.protocol.rounding=nearest", "metrics.protocol.posterior=sample", "seed=1")
    kept = []
    for count in range(len(words) + 1):
        bench = bench_of(composed(short_videos, *words[:count]))
        bench.once("x", tmp_path, lambda bench=bench: score(bench, lossless()))  # type: ignore[misc]
        kept.append(len(list(tmp_path.glob("scores-*.json"))))
    assert kept == [1, 2, 3, 4]


def test_a_protocol_cuts_what_is_held_out_and_nothing_else() -> None:
    usual = HeldOut.open(composed(None), batch=2)
    config = composed(None, "metrics/protocol=odvae", "metrics.protocol.lpips=[]")
    heldout = HeldOut.open(config, batch=2)
    assert heldout.source.train == usual.source.train == open_source(config.data).train
    ranges = {video.name: video for video in usual.source.heldout}
    for clip in heldout.manifest.clips:
        assert (clip.clip_frames, clip.size_px, clip.frame_stride) == (33, 256, 1)
        assert clip.start_frame == ranges[clip.file].first_frame
        assert clip.start_frame + 33 <= ranges[clip.file].end_frame
    assert heldout.training_clips(seed=0).batch(0, 1).shape == (1, 3, 5, 32, 32)
    assert heldout.fingerprint() != usual.fingerprint()


def test_clips_that_no_video_can_give_are_refused_by_name() -> None:
    config = composed(None, "metrics.protocol.clip_frames=999", "metrics.protocol.frame_stride=1")
    with pytest.raises(UserError, match=r"metrics\.protocol\.clip_frames=999 at stride 1 is more"):
        HeldOut.open(config, batch=1)


def test_a_video_that_is_too_short_for_the_protocol_is_told() -> None:
    lengths = sorted(video.frames for video in HeldOut.open(composed(None), batch=1).source.heldout)
    frames = lengths[0] + 1
    assert lengths[-1] >= frames, "the bundled videos are not all of one length"
    words = (f"metrics.protocol.clip_frames={frames}", "metrics.protocol.frame_stride=1")
    heldout = HeldOut.open(composed(None, *words), batch=1)
    assert 0 < len({clip.file for clip in heldout.manifest.clips}) < len(lengths)
    assert any(one.reason.startswith("evaluation: ") for one in heldout.source.skipped)
