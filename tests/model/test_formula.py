"""The formula agrees with the values published beside the fixture."""

import torch
from torch.testing import assert_close

from tests.model.formula import clip, u01, weight


def test_uniform_values() -> None:
    expected = torch.tensor([0.9612407467, 0.2838238065, 0.6265085646], dtype=torch.float64)
    assert_close(torch.from_numpy(u01("a", (3,))), expected, atol=1e-10, rtol=0)


def test_weight_values() -> None:
    expected = torch.tensor([-0.25658360, -0.14480977, -0.00306127])
    got = torch.from_numpy(weight("encoder.conv_in.weight", (32, 3, 3, 3))[0, 0, 0]).float()
    assert_close(got, expected, atol=1e-7, rtol=0)


def test_clip_values() -> None:
    expected = torch.tensor([0.09431920, -0.42055368, 0.59459043])
    assert_close(clip("x9")[0, 0, 0, 0, :3], expected, atol=1e-7, rtol=0)
