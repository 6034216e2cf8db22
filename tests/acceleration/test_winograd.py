"""Winograd's filtering against the filter itself."""

import pytest
import torch
from torch.testing import assert_close

from odvae.acceleration.winograd import filtering


@pytest.mark.parametrize("tile", [1, 2, 3, 4])
def test_it_is_the_filter(tile: int) -> None:
    generator = torch.Generator().manual_seed(tile)
    data = torch.randn(tile + 2, generator=generator, dtype=torch.float64)
    taps = torch.randn(3, generator=generator, dtype=torch.float64)
    method = filtering(tile)
    outputs = method.outputs @ ((method.taps @ taps) * (method.inputs @ data))
    assert_close(outputs, data.unfold(0, 3, 1) @ taps)
    assert method.tile == tile


def test_of_four_outputs_it_is_the_published_one() -> None:
    """The transform of the data in Lavin & Gray, equation 15."""
    published = [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
    ours = filtering(4).inputs
    for row, known in zip(ours, torch.tensor(published, dtype=torch.float64), strict=True):
        assert torch.equal(row, known) or torch.equal(row, -known)


@pytest.mark.parametrize("tile", [2, 4])
def test_a_bias_at_one_point_reaches_every_output_once(tile: int) -> None:
    method = filtering(tile)
    column = method.outputs[:, method.constant_point]
    assert_close(column, torch.ones_like(column))
