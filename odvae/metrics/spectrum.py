"""Radial power spectrum of frames: how much of what varies is coarse, and how much is fine.

Frequencies are in cycles per sample: 0.5 is the finest that a row or a column holds, and corners of
the plane of frequencies reach 0.71.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FINE_FREQUENCY = 0.25  # cycles per sample; above it lies what is finer than four samples


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Power by ring, of frequencies at about the same distance from zero."""

    frequencies: list[float]  # mean over each ring, ascending
    shares: list[float]  # of the total power; they sum to 1
    densities: list[float]  # a ring's share over its share of frequencies: 1 for white noise
    slope: float  # of log density against log frequency, up to 0.5; 0 for white noise
    level: float  # of the same line at 1 cycle per sample
    high_frequency_share: float  # of the power above 0.25; 0.8 for white noise

    def line(self, frequency: float) -> float:
        """The density that slope and level say."""
        density: float = self.level * frequency**self.slope
        return density


def power_spectrum(frames: Tensor) -> Tensor:
    """Sum over frames of the power of each, without its mean, under a Hann window.

    Without the window a jump from one edge of a frame to the opposite one would count as detail.
    It spreads a wave over the neighbouring frequencies, and takes a tenth from the lowest ones.

    Args:
        frames: (N, H, W), floats.

    Returns:
        (H, W), by frequency as ``torch.fft.fft2`` orders them; 0 at frequency 0.
    """
    height, width = frames.shape[1:]
    window = _hann(height, frames)[:, None] * _hann(width, frames)  # (H, W)
    deviations = frames - frames.mean(dim=(1, 2), keepdim=True)
    power: Tensor = torch.fft.fft2(deviations * window).abs().square().sum(dim=0)
    power[0, 0] = 0  # the window leaks there
    return power


def radial_spectrum(power: Tensor) -> Spectrum:
    """The rings of a power spectrum.

    Args:
        power: (H, W) of ``power_spectrum``, in any unit.

    Returns:
        Rings one cycle per longer side apart, none for a frame of one sample. NaN for what there is
        not: a share of no power, the slope of less than two rings.
    """
    down, across = (torch.fft.fftfreq(size, dtype=power.dtype) for size in power.shape)
    radius = torch.hypot(down[:, None], across[None])  # (H, W)
    longer = max(power.shape)
    ring = (radius * longer).round().long()
    frequencies_in, radius_in, power_in = (
        torch.bincount(ring.flatten(), values.flatten())
        for values in (torch.ones_like(power), radius, power)
    )
    there = frequencies_in > 0
    there[0] = False
    number = torch.arange(len(there))[there]
    count = frequencies_in[there]
    frequencies = radius_in[there] / count
    shares = power_in[there] / power.sum()
    densities = shares / (count / count.sum())
    whole = number <= longer // 2  # beyond are the corners
    slope, level = _fit(frequencies[whole].log(), densities[whole].log())
    return Spectrum(
        frequencies=frequencies.tolist(),
        shares=shares.tolist(),
        densities=densities.tolist(),
        slope=slope,
        level=level,
        high_frequency_share=(power[radius > FINE_FREQUENCY].sum() / power.sum()).item(),
    )


def _hann(size: int, like: Tensor) -> Tensor:
    """(size,), symmetric and nowhere 0, so that frames of two samples have a spectrum."""
    places = torch.arange(size, dtype=like.dtype, device=like.device) + 0.5
    return (math.pi * places / size).sin().square()


def _fit(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Slope of the line of least squares and exp of its value at 0; NaN for one point or none."""
    from_mean = x - x.mean()
    slope = (from_mean * y).sum() / from_mean.square().sum()
    return slope.item(), (y.mean() - slope * x.mean()).exp().item()
