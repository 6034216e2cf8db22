"""Flicker: nothing where nothing changes, and known numbers where something does."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.metrics import flicker


def grey(*levels: float) -> Tensor:
    """A clip (1, 3, T, 4, 6) whose frames have one level each."""
    return torch.tensor(levels, dtype=torch.float32).view(1, 1, -1, 1, 1).expand(1, 3, -1, 4, 6)


def test_equal_clips_have_none(clips: Tensor) -> None:
    assert torch.equal(flicker(clips, clips), torch.zeros(6, 8, dtype=torch.float64))


def test_an_error_that_stands_still_costs_nothing(clips: Tensor) -> None:
    original = clips / 2
    pattern = torch.rand(6, 3, 1, 48, 48, generator=torch.Generator().manual_seed(3)) - 0.5
    assert_close(
        flicker(original, original + pattern), torch.zeros(6, 8).double(), atol=1e-7, rtol=0
    )


def test_alternating_brightness_costs_its_height_at_every_change() -> None:
    heights = flicker(grey(0, 0, 0, 0, 0), grey(0.1, -0.1, 0.1, -0.1, 0.1))  # 0.2 is 0.1 on [0, 1]
    assert_close(heights, torch.full((1, 4), 0.1, dtype=torch.float64))


def test_lost_motion_costs_as_much_as_invented_one() -> None:
    moving, still = grey(-0.5, 0.5, -0.5), grey(0, 0, 0)
    assert_close(flicker(moving, still), flicker(still, moving))


def test_a_flash_costs_coming_and_going() -> None:
    expected = torch.tensor([[0, 0.5, 0.5, 0]], dtype=torch.float64)
    assert_close(flicker(grey(0, 0, 0, 0, 0), grey(0, 0, 1, 0, 0)), expected)


def test_two_is_the_most() -> None:
    assert flicker(grey(-1, 1), grey(1, -1)).tolist() == [[2]]
    assert flicker(grey(-1, 1), grey(9, -9)).tolist() == [[2]]  # a screen clamps


def test_it_is_its_formula(clips: Tensor) -> None:
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(5))
    reconstruction = clips + 0.2 * noise
    x, y = (np.clip((clip.double().numpy() + 1) / 2, 0, 1) for clip in (clips, reconstruction))
    for b in range(6):
        for t in range(1, 9):
            change = (x[b, :, t] - x[b, :, t - 1]) - (y[b, :, t] - y[b, :, t - 1])
            got = flicker(clips, reconstruction)[b, t - 1].item()
            assert got == pytest.approx(np.abs(change).mean(), rel=1e-12)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_frame_breaks_what_it_is_part_of(clips: Tensor, value: float) -> None:
    broken = clips[:1].clone()
    broken[0, 1, 3, 5, 5] = value
    assert flicker(clips[:1], broken)[0].isnan().tolist() == [t in (2, 3) for t in range(8)]


def test_an_image_has_none(clips: Tensor) -> None:
    with pytest.raises(UserError, match="flicker needs clips of at least 2 frames, got 1"):
        flicker(clips[:, :, :1], clips[:, :, :1])
