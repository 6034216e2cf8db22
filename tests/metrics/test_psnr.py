"""PSNR against closed forms and two other implementations."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr

from odvae.metrics import psnr_db


def noisy(clip: Tensor, sigma: float) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return clip + sigma * torch.randn(clip.shape, generator=generator)


@pytest.mark.parametrize("db", [10.0, 20.0, 40.0, 60.0])
def test_known_error_gives_known_db(db: float) -> None:
    error = 2 * 10 ** (-db / 20)  # on [-1, 1], twice the error on [0, 1]
    a = torch.full((2, 3, 5, 8, 8), -0.9, dtype=torch.float64)
    expected = torch.full((2, 5), db, dtype=torch.float64)
    torch.testing.assert_close(psnr_db(a, a + error), expected)


def test_identical_frames_count_100_db_and_none_counts_more(clips: Tensor) -> None:
    hundred = torch.full((6, 9), 100.0, dtype=torch.float64)
    torch.testing.assert_close(psnr_db(clips, clips), hundred, rtol=0, atol=0)
    nearly = (clips.double() * 0.9).clone()
    torch.testing.assert_close(psnr_db(nearly, nearly + 1e-9), hundred, rtol=0, atol=1e-9)


def test_agrees_with_scikit_image_and_torchmetrics(clips: Tensor) -> None:
    other = noisy(clips, 0.2)
    got = psnr_db(clips, other)
    unit_a, unit_b = ((x.double() + 1).div(2).clamp(0, 1) for x in (clips, other))
    for clip in range(2):
        for frame in range(9):
            a, b = unit_a[clip, :, frame], unit_b[clip, :, frame]
            oracle = peak_signal_noise_ratio(  # type: ignore[no-untyped-call, unused-ignore]
                a.numpy(), b.numpy(), data_range=1.0
            )
            assert got[clip, frame].item() == pytest.approx(oracle, abs=1e-9)
            third = torchmetrics_psnr(a[None], b[None], data_range=1.0).item()
            assert got[clip, frame].item() == pytest.approx(third, abs=1e-4)


def test_frames_are_scored_one_by_one(clips: Tensor) -> None:
    broken = clips.clone()
    broken[2, :, 4] = noisy(clips[2, :, 4], 0.5)
    got = psnr_db(clips, broken)
    assert got[2, 4] < 20
    got[2, 4] = 100
    torch.testing.assert_close(got, torch.full_like(got, 100.0))


def test_values_outside_the_range_are_clamped_as_a_screen_would() -> None:
    white = torch.ones(1, 3, 1, 4, 4)
    assert psnr_db(white, white * 7).item() == 100
    assert psnr_db(white, -white * 7).item() == pytest.approx(0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_broken_frame_is_nan_and_its_neighbours_are_not(value: float) -> None:
    white = torch.ones(1, 3, 3, 4, 4)
    broken = white.clone()
    broken[0, 1, 1, 2, 2] = value
    assert psnr_db(white, broken).isnan().tolist() == [[False, True, False]]


def test_bytes_are_refused_because_their_differences_wrap() -> None:
    low = torch.from_numpy(np.zeros((1, 3, 1, 4, 4), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"floats in \[-1, 1\], got torch.uint8"):
        psnr_db(low, low + 255)


def test_clips_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        psnr_db(torch.zeros(1, 3, 2, 4, 4), torch.zeros(1, 3, 1, 4, 4))
