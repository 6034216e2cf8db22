"""The lossy codec: it loses, the same each time, the less the more bits it has."""

import numpy as np
import pytest
from numpy.typing import NDArray

from odvae.data import FrameStore, open_source, through_mpeg4
from odvae.data.config import DataConfig


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Fourteen frames of real video, uint8 (14, 64, 72, 3): more than one group of the codec's."""
    video = open_source(DataConfig()).heldout[0]
    window = FrameStore(80).window(video, video.first_frame, count=14)
    return np.ascontiguousarray(window[:, 8:72, 10:82])


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


def test_it_is_lossy_and_no_more(frames: NDArray[np.uint8]) -> None:
    coded = through_mpeg4(frames, bits_per_px=1.5)
    assert coded.shape == frames.shape and coded.dtype == np.uint8
    assert 28 < psnr(frames, coded) < 50
    for frame, again in zip(frames, coded, strict=True):  # none is moved in time
        assert psnr(frame, again) > 25


def test_it_does_the_same_each_time(frames: NDArray[np.uint8]) -> None:
    first, second = (through_mpeg4(frames, bits_per_px=1.5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_more_bits_lose_less(frames: NDArray[np.uint8]) -> None:
    few, more = (psnr(frames, through_mpeg4(frames, bits_per_px=bits)) for bits in (0.1, 1.5))
    assert few < more - 3


def test_one_frame_and_odd_sides_come_back(frames: NDArray[np.uint8]) -> None:
    small = np.ascontiguousarray(frames[:1, :33, :47])
    assert through_mpeg4(small, bits_per_px=1.5).shape == small.shape
