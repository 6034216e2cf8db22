"""What latents look like to a diffusion model that is to be trained on them, in numbers.

Latents are (B, c, t, h, w).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.metrics.spectrum import Spectrum
from odvae.model import LatentScaling

DEAD_KL_NATS = 0.01  # per latent value: the posterior is the prior
DEAD_STD_SHARE = 0.01  # of the largest channel's: the channel is all but constant


@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorReport:
    """What a posterior has beside its mean. Means over clips and positions, by channel, (c,)."""

    std: Tensor
    variance: Tensor
    kl: Tensor  # to the unit normal, in nats per latent value

    @property
    def kl_share(self) -> Tensor:
        """Of the whole KL, (c,); the shares sum to 1."""
        return self.kl / self.kl.sum()


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentReport:
    """Statistics of the latents of a set of clips; NaN where a latent is not finite.

    They are those of the posterior's mean, or of deterministic latents, in float64. Correlations
    are NaN for a channel that is constant.
    """

    clips: int
    shape: tuple[int, int, int, int]  # (c, t, h, w) of every clip
    mean: Tensor  # (c,)
    std: Tensor  # (c,), over clips, frames and positions
    posterior: PosteriorReport | None  # None: the latents are deterministic
    correlation: Tensor  # (c, c), of channels at the same place
    std_by_frame: Tensor  # (c, t), in each latent frame by itself
    autocorrelation: Tensor  # (c, t) by lag in latent frames, at the same position
    autocorrelation_after_first: Tensor  # (c, t - 1), without the first latent frame
    spectrum: Spectrum  # over (h, w), mean over clips, channels and frames

    @property
    def dead(self) -> list[int]:
        """Channels that tell nothing.

        Their posterior is the prior (a KL below 0.01 nats per value), or they are all but constant
        (a std of at most 1% of the largest channel's).
        """
        dead = self.std <= DEAD_STD_SHARE * self.std.max()
        if self.posterior is not None:
            dead |= self.posterior.kl < DEAD_KL_NATS
        return dead.nonzero()[:, 0].tolist()

    @property
    def fitted(self) -> LatentScaling:
        """One scale that brings drawn latents to unit variance, as latent diffusion has it."""
        std = self.std_under(LatentScaling())
        return LatentScaling(scale=(1 / std if std else math.inf,))

    @property
    def fitted_by_channel(self) -> LatentScaling:
        """A shift and a scale that bring each channel to zero mean and unit variance."""
        scale = self._drawn_variance().rsqrt()
        return LatentScaling(scale=tuple(scale.tolist()), shift=tuple(self.mean.tolist()))

    def std_under(self, scaling: LatentScaling) -> float:
        """Standard deviation of all latents that are drawn, about one mean, after a scaling.

        A diffusion model wants 1. The noise of the posterior counts: it is drawn too.
        """
        scale, shift = (self.mean.new_tensor(values) for values in (scaling.scale, scaling.shift))
        return _pooled_std((self.mean - shift) * scale, self._drawn_variance() * scale.square())

    def values(self) -> dict[str, float]:
        """What one number tells, by metric name."""
        frames = self.shape[1]
        values = {
            "mean": self.mean.mean().item(),
            "std": _pooled_std(self.mean, self.std.square()),
            "fitted_scale": self.fitted.scale[0],
            "dead_channels": float(len(self.dead)),
            "high_frequency_share": self.spectrum.high_frequency_share,
            "spectrum_slope": self.spectrum.slope,
        }
        if self.posterior is not None:
            values["kl_per_value"] = self.posterior.kl.mean().item()
            values["posterior_std"] = self.posterior.std.mean().item()
        if len(self.mean) > 1:
            others = ~torch.eye(len(self.mean), dtype=torch.bool)
            values["correlation_max"] = _largest(self.correlation[others].abs())
        if frames > 1:
            values["autocorrelation_lag1"] = self.autocorrelation[:, 1].nanmean().item()
        if frames > 2:
            later = self.autocorrelation_after_first[:, 1]
            values["autocorrelation_lag1_after_first"] = later.nanmean().item()
        return values

    def series(self) -> dict[str, list[float]]:
        """Several numbers each, by metric name: by channel, latent frame, lag or ring."""
        series = {"channel_mean": self.mean.tolist(), "channel_std": self.std.tolist()}
        if self.posterior is not None:
            series["channel_kl"] = self.posterior.kl.tolist()
            series["channel_posterior_std"] = self.posterior.std.tolist()
        series["std_by_frame"] = self.std_by_frame.square().mean(dim=0).sqrt().tolist()
        series["autocorrelation_by_lag"] = self.autocorrelation.nanmean(dim=0).tolist()
        series["power_by_ring"] = self.spectrum.densities
        return series

    def _drawn_variance(self) -> Tensor:
        """Variance (c,) of latents that are drawn: that of the means, and the noise about them."""
        variance = self.std.square()
        return variance if self.posterior is None else variance + self.posterior.variance


def _pooled_std(mean: Tensor, variance: Tensor) -> float:
    """Of channels together, from the mean and the variance (c,) of each."""
    return (variance.mean() + mean.var(correction=0)).sqrt().item()


def _largest(values: Tensor) -> float:
    """Of those that are finite; NaN without one."""
    finite = values[values.isfinite()]
    return finite.max().item() if len(finite) else math.nan
