"""Statistics of the latents of any number of clips, batch by batch. Latents are (B, c, t, h, w).

Sums are float64, and as many whatever the number of clips.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from odvae.metrics.latent_summary import LatentReport, PosteriorReport
from odvae.metrics.moments import Moments
from odvae.metrics.spectrum import power_spectrum, radial_spectrum
from odvae.model import Encoding, Posterior


class LatentStatistics:
    """Accumulates latents batch by batch, in memory of (c t)^2 + h w numbers."""

    def __init__(self) -> None:
        self._sums: _Sums | None = None

    def add(self, encoding: Encoding) -> None:
        """Count what clips were encoded to.

        Raises:
            ValueError: latents of another shape than before, or of the other kind.
        """
        self._take(_Sums.of(encoding))

    def merge(self, other: "LatentStatistics") -> None:
        """Count all that another one has counted, as of a part of the clips.

        Raises:
            ValueError: as ``add``.
        """
        if other._sums is not None:
            self._take(other._sums)

    def result(self) -> LatentReport:
        """The statistics of all clips so far.

        Raises:
            ValueError: there was none.
        """
        if self._sums is None:
            raise ValueError("latent statistics need at least one clip, got none")
        return _report(self._sums)

    def _take(self, more: "_Sums") -> None:
        self._sums = more if self._sums is None else self._sums + more


@dataclass(frozen=True)
class _Sums:
    clips: int
    shape: tuple[int, int, int, int]  # (c, t, h, w)
    joint: Moments  # of the c t values at a position of the frame, all channels and frames
    posterior: Tensor | None  # (3, c): sums of std, variance and KL
    power: Tensor  # (h, w)

    @classmethod
    def of(cls, encoding: Encoding) -> Self:
        mean = _exact(encoding.mode())  # (B, c, t, h, w)
        clips, channels, frames, height, width = mean.shape
        posterior = None
        if isinstance(encoding, Posterior):
            logvar = _exact(encoding.logvar)
            variance = logvar.exp()
            kl = 0.5 * (mean.square() + variance - 1 - logvar)
            each = [(0.5 * logvar).exp(), variance, kl]
            posterior = torch.stack([values.sum(dim=(0, 2, 3, 4)) for values in each])
        return cls(
            clips,
            (channels, frames, height, width),
            Moments.of(mean.permute(0, 3, 4, 1, 2).reshape(-1, channels * frames)),
            posterior,
            power_spectrum(mean.reshape(-1, height, width)),
        )

    def __add__(self, other: "_Sums") -> "_Sums":
        if self.shape != other.shape:
            raise ValueError(f"latents must all be (c, t, h, w) = {self.shape}, got {other.shape}")
        if (self.posterior is None) != (other.posterior is None):
            raise ValueError("latents must all have a posterior or all be deterministic, got both")
        posterior = None
        if self.posterior is not None and other.posterior is not None:
            posterior = self.posterior + other.posterior
        joint = Moments(self.joint.dimensions)
        joint.merge(self.joint)
        joint.merge(other.joint)
        return _Sums(
            self.clips + other.clips,
            self.shape,
            joint,
            posterior,
            self.power + other.power,
        )


def _report(sums: _Sums) -> LatentReport:
    channels, frames, _, _ = sums.shape
    within = _covariance(sums.joint).view(channels, frames, channels, frames)
    in_time = within.diagonal(dim1=0, dim2=2).permute(2, 0, 1)  # (c, t, t)
    by_frame = sums.joint.mean.view(channels, frames)
    from_first = by_frame - by_frame[:, :1]  # without rounding for a constant
    apart = from_first - from_first.mean(dim=1, keepdim=True)
    of_channels = within.diagonal(dim1=1, dim2=3).mean(dim=-1) + apart @ apart.T / frames  # (c, c)
    std = of_channels.diagonal().sqrt()
    posterior = None
    if sums.posterior is not None:
        std_mean, variance, kl = sums.posterior / (sums.joint.count * frames)
        posterior = PosteriorReport(std=std_mean, variance=variance, kl=kl)
    return LatentReport(
        clips=sums.clips,
        shape=sums.shape,
        mean=by_frame.mean(dim=1),
        std=std,
        posterior=posterior,
        correlation=of_channels / torch.outer(std, std),
        std_by_frame=in_time.diagonal(dim1=1, dim2=2).sqrt(),
        autocorrelation=_autocorrelation(in_time),
        autocorrelation_after_first=_autocorrelation(in_time[:, 1:, 1:]),
        spectrum=radial_spectrum(sums.power),
    )


def _autocorrelation(covariances: Tensor) -> Tensor:
    """(c, t, t) of frames to (c, t) by lag, each in [-1, 1]: over all pairs of frames so far apart.

    Deviations are from the mean in each frame, so that the first one may have its own.
    """
    variance = covariances.diagonal(dim1=1, dim2=2)  # (c, t)
    frames = variance.shape[1]
    by_lag = torch.empty_like(variance)
    for lag in range(frames):
        together = covariances.diagonal(offset=lag, dim1=1, dim2=2).sum(dim=1)
        earlier, later = variance[:, : frames - lag].sum(dim=1), variance[:, lag:].sum(dim=1)
        by_lag[:, lag] = together / (earlier * later).sqrt()
    return by_lag


def _covariance(moments: Moments) -> Tensor:
    """(D, D), not unbiased: the rows are all there is. One row has none."""
    if moments.count < 2:
        return torch.zeros(moments.dimensions, moments.dimensions, dtype=torch.float64)
    return moments.covariance * ((moments.count - 1) / moments.count)


def _exact(values: Tensor) -> Tensor:
    return values.detach().cpu().double()
