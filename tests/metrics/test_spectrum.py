"""The spectrum of waves and of noise whose spectra are known."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.metrics.spectrum import Spectrum, power_spectrum, radial_spectrum


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def wave(size: int, *, down: int, across: int) -> Tensor:
    """(1, size, size) of so many periods along each axis."""
    places = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
    return (down * places[:, None] + across * places + 0.7).cos()[None]


def of(frames: Tensor) -> Spectrum:
    return radial_spectrum(power_spectrum(frames))


@pytest.mark.parametrize("size", [32, 48])
@pytest.mark.parametrize("periods", [4, 8, 12])
def test_a_wave_is_one_ring_and_what_the_window_gives_its_neighbours(
    size: int, periods: int
) -> None:
    """Hann's window takes a wave to three frequencies along each axis, of power 1, 4 and 1."""
    spectrum = of(3 * wave(size, down=0, across=periods) + 100)
    expected = torch.zeros(len(spectrum.shares), dtype=torch.float64)
    expected[[periods - 2, periods - 1, periods]] = torch.tensor([1, 4, 1]).double() / 6
    assert_close(torch.tensor(spectrum.shares).to(expected), expected, atol=1e-6, rtol=0)
    assert_close(spectrum.frequencies[periods - 1], periods / size, atol=0.4 / size, rtol=0)


def test_a_slanted_wave_is_as_far_out_as_it_is_long() -> None:
    spectrum = of(wave(64, down=9, across=-12))
    assert max(spectrum.shares) == spectrum.shares[15 - 1]
    assert_close(spectrum.frequencies[14], 15 / 64, atol=0.2 / 64, rtol=0)


@pytest.mark.parametrize(("periods", "share"), [(4, 0), (12, 1)])
def test_high_frequencies_are_those_above_a_quarter(periods: int, share: float) -> None:
    spectrum = of(wave(32, down=0, across=periods))
    assert_close(spectrum.high_frequency_share, float(share), atol=1e-9, rtol=0)


def test_white_noise_is_flat() -> None:
    spectrum = of(0.1 * noise(4000, 16, 16) - 5)
    densities = torch.tensor(spectrum.densities)
    assert_close(densities[1:], torch.ones(len(densities) - 1), atol=0.03, rtol=0)
    assert 0.85 < densities[0] < 1  # less for the mean that was taken away
    assert_close(spectrum.high_frequency_share, 1 - math.pi / 16, atol=0.02, rtol=0)
    assert abs(spectrum.slope) < 0.1
    assert_close(sum(spectrum.shares), 1.0)


@pytest.mark.parametrize("exponent", [-1.0, -2.0])
def test_a_power_law_has_its_slope(exponent: float) -> None:
    along = torch.fft.fftfreq(64, dtype=torch.float64)
    radius = torch.hypot(along[:, None], along).clamp(min=1 / 64)
    frames = torch.fft.ifft2(torch.fft.fft2(noise(400, 64, 64)) * radius ** (exponent / 2)).real
    spectrum = of(frames)
    assert_close(spectrum.slope, exponent, atol=0.1, rtol=0)
    assert_close(spectrum.line(0.2), spectrum.level * 0.2**spectrum.slope)
    near = min(range(32), key=lambda ring: abs(spectrum.frequencies[ring] - 0.2))
    assert_close(spectrum.line(0.2), spectrum.densities[near], rtol=0.1, atol=0)


def test_a_jump_from_edge_to_edge_is_no_detail() -> None:
    ramp = torch.arange(32.0, dtype=torch.float64).expand(1, 32, 32)
    assert of(ramp).high_frequency_share < 1e-3
    bare = (torch.fft.fft2(ramp - ramp.mean()).abs().square()).sum(dim=0)
    assert radial_spectrum(bare).high_frequency_share > 0.02


def test_frames_need_not_be_square() -> None:
    spectrum = of(noise(2000, 8, 24))
    assert len(spectrum.frequencies) == 17  # 12 up to 0.5, and the corners
    assert spectrum.frequencies == sorted(spectrum.frequencies)
    assert_close(torch.tensor(spectrum.densities)[3:], torch.ones(14), atol=0.15, rtol=0)


def test_small_frames_have_what_they_can_have() -> None:
    assert len(of(noise(10, 2, 2)).shares) == 1
    assert math.isnan(of(noise(10, 2, 2)).slope)
    nothing = of(noise(10, 1, 1))
    assert nothing.shares == []
    assert math.isnan(nothing.slope) and math.isnan(nothing.high_frequency_share)
    constant = of(torch.ones(3, 8, 8, dtype=torch.float64))
    assert all(math.isnan(share) for share in constant.shares)
