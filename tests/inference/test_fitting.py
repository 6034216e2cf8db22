"""Any size goes in and comes back, whatever the VAE takes."""

import pytest
import torch
from torch.testing import assert_close

from odvae.inference import Tiling, fitted, reconstruct
from odvae.model import ClipLengths
from tests.inference.fake_vae import FrameNumberVAE, numbered, values
from tests.model.formula import small


@pytest.mark.parametrize("frames", range(1, 12))
def test_a_length_is_filled_up_with_the_last_frame(frames: int) -> None:
    vae = FrameNumberVAE(4)
    filled = values(fitted(vae, numbered(frames)))
    assert vae.clip_lengths.takes(len(filled))
    assert len(filled) < frames + 4
    assert filled == list(range(frames)) + [frames - 1] * (len(filled) - frames)


@pytest.mark.parametrize("tiling", [Tiling.off(), Tiling.temporal(5)])
@pytest.mark.parametrize("size", [(1, 8, 8), (2, 9, 15), (6, 16, 17), (10, 7, 24)])
@torch.no_grad()
def test_the_size_of_the_clip_comes_back(tiling: Tiling, size: tuple[int, int, int]) -> None:
    video = torch.rand(1, 3, *size) * 2 - 1
    assert reconstruct(small(4), video, tiling).shape == video.shape


@torch.no_grad()
def test_a_size_that_fits_is_left_alone() -> None:
    vae, video = small(4), torch.rand(1, 3, 5, 16, 24) * 2 - 1
    assert fitted(vae, video) is video
    assert_close(reconstruct(vae, video, Tiling.off()), vae(video), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("lengths", "taken"),
    [
        (ClipLengths(), [1, 2, 3, 4, 5]),
        (ClipLengths(step=4), [1, 5, 9]),
        (ClipLengths(first=4, step=4), [4, 8, 12]),
    ],
)
def test_clip_lengths(lengths: ClipLengths, taken: list[int]) -> None:
    assert [frames for frames in range(taken[-1] + 1) if lengths.takes(frames)] == taken
    assert [lengths.at_least(frames) for frames in taken] == taken
    assert all(lengths.takes(lengths.at_least(frames)) for frames in range(1, 40))
