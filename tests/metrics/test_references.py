"""Reference reconstructions: what each keeps, and what each loses."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics import REFERENCES, psnr_db


@pytest.mark.parametrize("name", REFERENCES)
def test_shape_and_range_are_kept_and_a_constant_clip_is_exact(name: str, clips: Tensor) -> None:
    got = REFERENCES[name](clips)
    assert got.shape == clips.shape
    assert got.abs().max() <= 1
    grey = torch.full((2, 3, 9, 16, 24), 0.25)
    torch.testing.assert_close(REFERENCES[name](grey), grey)


@pytest.mark.parametrize("name", REFERENCES)
def test_an_image_works_as_a_clip_of_one_frame(name: str, clips: Tensor) -> None:
    assert REFERENCES[name](clips[:, :, :1]).shape == (6, 3, 1, 48, 48)


def test_mean_colour_keeps_the_mean_of_each_frame(clips: Tensor) -> None:
    got = REFERENCES["mean_colour"](clips)
    torch.testing.assert_close(got.mean(dim=(3, 4)), clips.mean(dim=(3, 4)))
    assert (got.amax(dim=(3, 4)) == got.amin(dim=(3, 4))).all()


def test_mean_colour_is_the_best_constant(clips: Tensor) -> None:
    got = REFERENCES["mean_colour"](clips)
    assert (psnr_db(clips, got) > psnr_db(clips, got + 0.02)).all()


def test_bicubic_works_frame_by_frame(clips: Tensor) -> None:
    got = REFERENCES["bicubic_8x"](clips)
    frame = clips[:, :, 4]
    small = F.interpolate(frame, scale_factor=1 / 8, mode="bicubic", antialias=True)
    large = F.interpolate(small, scale_factor=8, mode="bicubic").clamp(-1, 1)
    torch.testing.assert_close(got[:, :, 4], large, rtol=0, atol=1e-6)


def test_linear_time_keeps_every_fourth_frame_and_is_exact_on_linear_motion(clips: Tensor) -> None:
    got = REFERENCES["linear_time_4x"](clips)
    torch.testing.assert_close(got[:, :, ::4], clips[:, :, ::4], rtol=0, atol=0)
    torch.testing.assert_close(got[:, :, 5], 0.75 * clips[:, :, 4] + 0.25 * clips[:, :, 8])
    times = torch.linspace(-1, 1, 9).view(1, 1, 9, 1, 1).expand(1, 3, 9, 4, 4)
    torch.testing.assert_close(REFERENCES["linear_time_4x"](times), times)


def test_real_frames_keep_the_known_order(clips: Tensor) -> None:
    score = {name: psnr_db(clips, row(clips)).mean().item() for name, row in REFERENCES.items()}
    assert score["mean_colour"] < score["bicubic_8x"]


@pytest.mark.parametrize("frames", [2, 4, 8])
def test_linear_time_repeats_the_last_frame_of_other_lengths(clips: Tensor, frames: int) -> None:
    longer = torch.cat([clips[:, :, :frames], clips[:, :, frames - 1 : frames]], dim=2)
    longer = torch.cat([longer, longer[:, :, -1:].repeat(1, 1, -frames % 4, 1, 1)], dim=2)
    got = REFERENCES["linear_time_4x"](clips[:, :, :frames])
    expected = REFERENCES["linear_time_4x"](longer)[:, :, :frames]
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_a_side_outside_the_method_is_refused() -> None:
    with pytest.raises(UserError, match="bicubic_8x"):
        REFERENCES["bicubic_8x"](torch.zeros(1, 3, 1, 12, 16))
