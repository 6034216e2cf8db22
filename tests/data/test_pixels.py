"""Frames to pixels and back, and the one resize."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from odvae.data.pixels import resize_short_side, resized_shape, to_pixels, to_uint8


def test_all_levels_survive_the_round_trip() -> None:
    frames = np.arange(256, dtype=np.uint8).repeat(3).reshape(2, 8, 16, 3)
    np.testing.assert_array_equal(to_uint8(to_pixels(frames)), frames)


def test_the_range_is_minus_one_to_one() -> None:
    frames = np.array([0, 255, 51], dtype=np.uint8).reshape(1, 1, 1, 3)
    pixels = to_pixels(frames)
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels.flatten(), torch.tensor([-1.0, 1.0, -0.6]))


def test_axes_go_from_thwc_to_cthw() -> None:
    frames = np.random.default_rng(0).integers(256, size=(2, 3, 4, 3), dtype=np.uint8)
    pixels = to_pixels(frames[:, ::-1])  # a view with a negative stride
    assert pixels.shape == (3, 2, 3, 4)
    expected = float(frames[1, 0, 3, 2]) / 127.5 - 1
    torch.testing.assert_close(pixels[2, 1, 2, 3].item(), expected, atol=1e-6, rtol=0)


def test_values_outside_are_clamped_and_halves_rounded_to_a_neighbour() -> None:
    pixels = torch.tensor([-7.0, 7.0, 0.3 / 127.5 - 1]).view(3, 1, 1, 1)
    assert to_uint8(pixels).flatten().tolist() == [0, 255, 0]


def test_other_shapes_and_types_are_refused() -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        to_pixels(np.zeros((1, 2, 2, 4), dtype=np.uint8))
    with pytest.raises(ValueError, match="expected"):
        to_uint8(torch.zeros(1, 3, 2, 2, 2))
    with pytest.raises(ValueError, match="expected uint8"):
        resize_short_side(np.zeros((2, 2, 3), dtype=np.uint8), 8)


@pytest.mark.parametrize(
    ("shape", "short", "expected"),
    [((720, 1280), 80, (80, 142)), ((1280, 720), 80, (142, 80)), ((144, 176), 80, (80, 98))],
)
def test_the_short_side_is_exact_and_the_long_one_rounded(
    shape: tuple[int, int], short: int, expected: tuple[int, int]
) -> None:
    assert resized_shape(*shape, short_side_px=short) == expected
    assert resize_short_side(np.zeros((1, *shape, 3), np.uint8), short).shape == (1, *expected, 3)


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("shape", [(272, 640), (33, 47)])
def test_a_constant_image_stays_constant(level: int, shape: tuple[int, int]) -> None:
    resized = resize_short_side(np.full((2, *shape, 3), level, np.uint8), 40)
    assert np.unique(resized).tolist() == [level]


def test_the_same_size_changes_nothing() -> None:
    frames = np.random.default_rng(0).integers(256, size=(2, 16, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_short_side(frames, 16), frames)


def test_each_frame_is_resized_by_itself_and_channels_do_not_mix() -> None:
    frames = np.random.default_rng(0).integers(256, size=(3, 60, 90, 3), dtype=np.uint8)
    together = resize_short_side(frames, 24)
    np.testing.assert_array_equal(resize_short_side(frames[1:2], 24), together[1:2])
    turned = resize_short_side(frames[..., ::-1], 24)
    np.testing.assert_array_equal(turned[..., ::-1], together)


def test_it_is_the_antialiased_bicubic_resize_to_one_level() -> None:
    frames = np.random.default_rng(0).integers(256, size=(2, 60, 90, 3), dtype=np.uint8)
    exact = interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2).double(),
        size=(20, 30),
        mode="bicubic",
        antialias=True,
    )
    expected = exact.clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(resize_short_side(frames, 20) - expected).max() < 1.5


def test_a_fine_chequerboard_becomes_grey() -> None:
    """Without antialiasing it would alias to black, white or stripes."""
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    resized = resize_short_side(np.repeat(board[None, :, :, None], 3, axis=-1), 16)
    assert np.abs(resized[:, 2:-2, 2:-2].astype(int) - 127.5).max() < 3
