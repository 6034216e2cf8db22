"""Statistics of latents whose statistics are known. Latents are (B, c, t, h, w)."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.metrics.latent_summary import LatentReport
from odvae.metrics.latents import LatentStatistics
from odvae.model import Deterministic, Encoding, LatentScaling, Posterior

SHAPE = (8, 3, 5, 16, 16)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def posterior(mean: Tensor, std: Tensor | float) -> Posterior:
    logvar = 2 * torch.as_tensor(std, dtype=mean.dtype).log()
    return Posterior(torch.cat([mean, logvar.expand_as(mean)], dim=1))


def by_channel(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1, 1)


def report(*encodings: Encoding) -> LatentReport:
    statistics = LatentStatistics()
    for encoding in encodings:
        statistics.add(encoding)
    return statistics.result()


def moving(shape: Sequence[int], *, stays: float) -> Tensor:
    """Unit noise of which each frame has a part ``stays`` of the one before: an AR(1) process."""
    fresh = noise(*shape)
    frames = [fresh[:, :, 0]]
    for frame in range(1, shape[2]):
        frames.append(stays * frames[-1] + math.sqrt(1 - stays**2) * fresh[:, :, frame])
    return torch.stack(frames, dim=2)


def test_moments_are_those_of_all_values_of_a_channel() -> None:
    mean = by_channel(1, -2, 0) + by_channel(1, 2, 0.5) * noise(*SHAPE)
    std = noise(*SHAPE, seed=1).abs() + 0.1
    result = report(posterior(mean, std))
    rows = mean.transpose(0, 1).flatten(1)  # (c, N)
    assert (result.clips, result.shape) == (8, (3, 5, 16, 16))
    assert_close(result.mean, rows.mean(dim=1))
    assert_close(result.std, rows.std(dim=1, correction=0))
    assert_close(result.correlation, torch.corrcoef(rows))
    assert_close(result.std_by_frame, mean.transpose(0, 1).std(dim=(1, 3, 4), correction=0))
    assert result.posterior is not None
    assert_close(result.posterior.std, std.mean(dim=(0, 2, 3, 4)))
    assert_close(result.posterior.variance, std.square().mean(dim=(0, 2, 3, 4)))
    values = result.values()
    assert_close(values["std"], mean.std(correction=0).item())
    assert_close(values["mean"], mean.mean().item())
    assert_close(values["posterior_std"], std.mean().item())


def test_kl_has_its_closed_form() -> None:
    means, stds = by_channel(1.5, 0, -0.5), by_channel(2, 1, 0.1)
    encoding = posterior(means.expand(SHAPE), stds.expand(SHAPE))
    result = report(encoding)
    expected = 0.5 * (means.square() + stds.square() - 1 - 2 * stds.log()).flatten()
    assert result.posterior is not None
    assert_close(result.posterior.kl, expected)
    assert_close(result.posterior.kl_share, expected / expected.sum())
    in_a_clip = 3 * 5 * 16 * 16
    assert_close(result.values()["kl_per_value"] * in_a_clip, encoding.kl().mean().item())


def test_kl_is_that_of_the_clamped_variance() -> None:
    moments = torch.cat([torch.zeros(SHAPE), torch.full(SHAPE, 1000.0)], dim=1)
    result = report(Posterior(moments))
    assert_close(result.values()["kl_per_value"], 0.5 * (math.exp(20) - 1 - 20))


def test_white_noise_has_neither_memory_nor_shape() -> None:
    result = report(posterior(2 * noise(*SHAPE) + 0.3, 0.1))
    values = result.values()
    assert_close(result.autocorrelation[:, 0], torch.ones(3).double())
    assert_close(result.autocorrelation[:, 1:4], torch.zeros(3, 3).double(), atol=0.07, rtol=0)
    assert abs(values["autocorrelation_lag1"]) < 0.03
    assert abs(values["autocorrelation_lag1_after_first"]) < 0.03
    assert values["correlation_max"] < 0.05
    assert_close(values["high_frequency_share"], 1 - math.pi / 16, atol=0.03, rtol=0)
    assert abs(values["spectrum_slope"]) < 0.2
    assert values["dead_channels"] == 0


@pytest.mark.parametrize("stays", [0.9, 0.5, -0.5])
def test_autocorrelation_is_that_of_the_process(stays: float) -> None:
    result = report(Deterministic(moving((4, 2, 6, 64, 64), stays=stays) + 10))
    expected = torch.tensor([stays**lag for lag in range(6)]).double()
    for found in (result.autocorrelation, result.autocorrelation_after_first):
        lags = found.shape[1]
        assert_close(found, expected[:lags].expand(2, lags), atol=0.03, rtol=0)
    assert_close(result.values()["autocorrelation_lag1"], stays, atol=0.02, rtol=0)


def test_a_first_frame_of_its_own_can_be_left_out() -> None:
    latents = moving((4, 1, 6, 64, 64), stays=0.8)
    latents[:, :, 0] = 5 + 3 * noise(4, 1, 64, 64, seed=2)
    result = report(Deterministic(latents))
    expected = torch.tensor([[0.8**lag for lag in range(5)]]).double()
    assert_close(result.autocorrelation_after_first, expected, atol=0.03, rtol=0)
    # One pair of five is of no correlation, and its first frame weighs nine times as much.
    pooled = 0.8 * 4 / math.sqrt((9 + 4) * 5)
    assert_close(result.autocorrelation[0, 1].item(), pooled, atol=0.02, rtol=0)
    by_frame = result.series()["std_by_frame"]
    assert_close(by_frame, [3.0, 1.0, 1.0, 1.0, 1.0, 1.0], atol=0, rtol=0.03)


def test_a_still_video_is_its_first_frame() -> None:
    result = report(Deterministic(noise(4, 2, 1, 8, 8).expand(-1, -1, 5, -1, -1)))
    assert_close(result.autocorrelation, torch.ones(2, 5).double())


def test_a_channel_whose_posterior_is_the_prior_is_dead() -> None:
    mean = noise(*SHAPE) * by_channel(1, 0.005, 1)
    assert report(posterior(mean, by_channel(0.1, 1, 0.1))).dead == [1]
    assert report(posterior(mean, 0.1)).dead == [1]  # it tells its own constant
    assert report(posterior(mean * by_channel(1, 3, 1), 0.1)).dead == []


def test_a_constant_channel_is_dead_and_correlates_with_nothing() -> None:
    latents = noise(*SHAPE).float()
    latents[:, 1] = 0.1  # its mean is rounded
    result = report(Deterministic(latents[:3]), Deterministic(latents[3:]))
    assert (result.posterior, result.dead, result.values()["dead_channels"]) == (None, [1], 1)
    assert result.std[1] == 0
    assert result.correlation[1].isnan().all() and result.autocorrelation[1].isnan().all()
    assert result.correlation[0, 2].isfinite()
    values = result.values()
    assert all(math.isfinite(value) for value in values.values())
    assert not {"kl_per_value", "posterior_std"} & {*values}
    assert "channel_kl" not in result.series()


def test_the_fitted_scale_gives_drawn_latents_unit_variance() -> None:
    mean = by_channel(1, -2, 0) + by_channel(3, 2, 0.5) * noise(*SHAPE)
    encoding = posterior(mean, by_channel(0.1, 1, 2).expand(SHAPE))
    drawn = encoding.sample(torch.Generator().manual_seed(5))
    result = report(encoding)
    for scaling in (result.fitted, result.fitted_by_channel):
        assert_close(result.std_under(scaling), 1.0)
        assert_close(scaling.normalise(drawn).std().item(), 1.0, atol=0.02, rtol=0)
    each = result.fitted_by_channel.normalise(drawn).transpose(0, 1).flatten(1)
    assert_close(each.mean(dim=1), torch.zeros(3).double(), atol=0.05, rtol=0)
    assert_close(each.std(dim=1), torch.ones(3).double(), atol=0.02, rtol=0)
    own = LatentScaling(scale=(0.5, 2.0, 1.0), shift=(1.0,))
    assert_close(result.std_under(own), own.normalise(drawn).std().item(), atol=0.05, rtol=0)


def test_the_scale_is_one_over_what_was_put_in() -> None:
    result = report(posterior(3 * noise(*SHAPE), 4.0))
    assert_close(result.values()["fitted_scale"], 1 / 5, atol=0.002, rtol=0)
    assert_close(report(Deterministic(3 * noise(*SHAPE))).fitted.scale[0], 1 / 3, atol=3e-3, rtol=0)
    assert report(Deterministic(torch.zeros(SHAPE))).fitted.scale == (math.inf,)


def test_the_spectrum_is_that_within_frames() -> None:
    across = (2 * math.pi * torch.arange(32) * 12 / 32).cos().expand(2, 3, 5, 32, 32)
    result = report(Deterministic(across + 10 * noise(2, 3, 5, 1, 1)))
    assert max(result.spectrum.shares) == result.spectrum.shares[12 - 1]
    assert_close(result.values()["high_frequency_share"], 1.0)


def test_parts_and_the_whole_are_one() -> None:
    scale = torch.linspace(0.5, 2, 8, dtype=torch.float64).view(8, 1, 1, 1, 1)
    mean = scale * noise(*SHAPE) + 10 * scale
    std = noise(*SHAPE, seed=1).abs() + 0.1
    whole = report(posterior(mean, std))
    one, other = LatentStatistics(), LatentStatistics()
    one.add(posterior(mean[:3], std[:3]))
    one.add(posterior(mean[3:4], std[3:4]))
    other.add(posterior(mean[4:], std[4:]))
    one.merge(other)
    one.merge(LatentStatistics())
    empty = LatentStatistics()
    empty.merge(one)
    for result in (one.result(), empty.result()):
        assert (result.clips, result.shape) == (whole.clips, whole.shape)
        assert_close(result.values(), whole.values(), rtol=1e-10, atol=1e-12)
        assert_close(result.series(), whole.series(), rtol=1e-10, atol=1e-12)
        assert_close(result.correlation, whole.correlation, rtol=1e-10, atol=1e-12)
        assert_close(result.autocorrelation, whole.autocorrelation, rtol=1e-10, atol=1e-12)


def test_a_large_mean_does_not_hide_a_small_deviation() -> None:
    latents = 1e4 + 1e-3 * noise(64, 1, 2, 16, 16)
    result = report(*(Deterministic(part) for part in latents.split(4)))
    assert_close(result.std.item(), latents.std(correction=0).item(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_exact_whatever_the_latents_are(dtype: torch.dtype) -> None:
    latents = (noise(*SHAPE) + 30).to(dtype)
    result = report(Deterministic(latents))
    assert_close(result.values()["std"], latents.double().std(correction=0).item())


def test_what_is_not_finite_shows() -> None:
    latents = noise(*SHAPE)
    latents[0, 1, 2, 3, 4] = math.nan
    result = report(Deterministic(latents), Deterministic(noise(*SHAPE)))
    assert result.mean.isnan().tolist() == [False, True, False]
    values = result.values()
    for name in ("mean", "std", "fitted_scale", "high_frequency_share"):
        assert math.isnan(values[name]), name


def test_images_and_single_latents_have_no_more_than_they_have() -> None:
    image = report(Deterministic(noise(4, 2, 1, 8, 8)))
    assert image.autocorrelation.tolist() == [[1.0], [1.0]]
    assert image.autocorrelation_after_first.shape == (2, 0)
    assert not [name for name in image.values() if name.startswith("autocorrelation")]
    single = report(Deterministic(noise(4, 1, 2, 1, 1)))
    assert math.isnan(single.values()["spectrum_slope"])
    assert "correlation_max" not in single.values()
    assert "autocorrelation_lag1_after_first" not in single.values()
    assert report(Deterministic(noise(1, 2, 1, 1, 1))).std.tolist() == [0, 0]


def test_odd_ones_out_are_errors() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        LatentStatistics().result()
    with pytest.raises(ValueError, match="must all be"):
        report(Deterministic(noise(*SHAPE)), Deterministic(noise(8, 3, 4, 16, 16)))
    with pytest.raises(ValueError, match="posterior or all be deterministic"):
        report(Deterministic(noise(*SHAPE)), posterior(noise(*SHAPE), 1.0))
