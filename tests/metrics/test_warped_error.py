"""Warped error with motion that is known, and the network that estimates it elsewhere."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.metrics import (
    FlowNetwork,
    MetricsConfig,
    ProtocolConfig,
    Raft,
    WarpedError,
    available,
)
from odvae.metrics.weights_table import TABLE, Weights, WeightsFile

RIGHT_PX, DOWN_PX = 3, 2
ONLY = MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=[]), warped_error=True)


class Sliding:
    """Knows that everything moves by so much a frame, and which way round it was asked."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        forth = torch.equal(b, a.roll((DOWN_PX, RIGHT_PX), dims=(2, 3)))
        motion = torch.tensor([RIGHT_PX, DOWN_PX]).float() * (1 if forth else -1)
        return motion.view(1, 2, 1, 1).expand(len(a), 2, *a.shape[2:])


class Lost:
    """Sees nothing move, or, on the way back, what is left of a column move far away."""

    def __init__(self, columns_lost: int) -> None:
        self.columns_lost = columns_lost
        self.calls = 0

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        flow = torch.zeros(len(a), 2, *a.shape[2:])
        if self.calls % 2:
            flow[..., : self.columns_lost] = 3
        self.calls += 1
        return flow


def still(a: Tensor, b: Tensor) -> Tensor:
    return torch.zeros(len(a), 2, *a.shape[2:])


def half_a_pixel(a: Tensor, b: Tensor) -> Tensor:
    """Half a pixel to the right, whatever is asked: forth and back do not cancel, but nearly."""
    flow = torch.zeros(len(a), 2, *a.shape[2:])
    flow[:, 0] = 0.5
    return flow


@pytest.fixture
def sliding() -> Tensor:
    """Two clips (2, 3, 9, 16, 20) of noise in [-0.5, 0.5] that slides, and comes in again."""
    noise = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(1)) - 0.5
    return torch.stack(
        [noise.roll((t * DOWN_PX, t * RIGHT_PX), dims=(2, 3)) for t in range(9)], dim=2
    )


def zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64)


def test_what_moves_with_the_original_has_none(sliding: Tensor) -> None:
    """Nor do pixels count that leave the picture: what comes in again is not the same."""
    errors = WarpedError(Sliding())(sliding, sliding)
    assert_close(errors, zeros(2, 8), atol=1e-12, rtol=0)
    assert WarpedError(still)(sliding, sliding).min() > 0.01


def test_it_need_not_look_like_the_original(sliding: Tensor) -> None:
    assert_close(WarpedError(Sliding())(sliding, -sliding), zeros(2, 8), atol=1e-12, rtol=0)
    assert_close(WarpedError(Sliding())(sliding, sliding * 0), zeros(2, 8), atol=1e-12, rtol=0)


def test_alternating_brightness_costs_its_square(sliding: Tensor) -> None:
    brightness = 0.2 * (torch.arange(9) % 2).view(1, 1, 9, 1, 1)  # 0.1 on [0, 1]
    errors = WarpedError(Sliding())(sliding, sliding + brightness)
    assert_close(errors, torch.full((2, 8), 0.01, dtype=torch.float64), atol=1e-7, rtol=0)


def test_without_motion_it_is_the_squared_difference_of_frames(sliding: Tensor) -> None:
    other = sliding.flip(-1)
    expected = (other.double().diff(dim=2) / 2).square().mean(dim=(1, 3, 4))
    assert_close(WarpedError(still)(sliding, other), expected, atol=1e-12, rtol=0)


def test_motion_of_part_of_a_pixel_is_interpolated() -> None:
    x = torch.arange(20.0).view(1, 1, 1, 1, 20)
    t = torch.arange(4.0).view(1, 1, 4, 1, 1)
    ramp = ((x - 0.5 * t) / 20 - 0.5).expand(1, 3, 4, 16, 20).contiguous()

    def known(a: Tensor, b: Tensor) -> Tensor:
        return half_a_pixel(a, b) * (1 if a[0, 0, 0, 0] > b[0, 0, 0, 0] else -1)

    assert_close(WarpedError(known)(ramp, ramp), zeros(1, 3), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("columns_lost", "share"), [(0, 0.5), (4, 6 / 16), (10, 0), (20, 0)])
def test_only_pixels_seen_in_both_frames_count(columns_lost: int, share: float) -> None:
    """An error in the left half of 20 columns, the first of which are hidden in the next frame."""
    original = torch.zeros(1, 3, 2, 16, 20)
    other = original.clone()
    other[:, :, 1, :, :10] = 1  # 0.5 on [0, 1]
    errors = WarpedError(Lost(columns_lost))(original, other)
    assert_close(errors, torch.tensor([[share * 0.25]], dtype=torch.float64))


def test_a_way_back_that_misses_a_little_is_a_way_back() -> None:
    """Half a pixel twice misses by one, square 1 > 0.01 * 0.5 + 0.5; a quarter twice by a half."""
    original, other = torch.zeros(1, 3, 2, 16, 20), torch.zeros(1, 3, 2, 16, 20)
    other[:, :, 1] = 1
    assert WarpedError(half_a_pixel)(original, other).item() == 0

    def quarter(a: Tensor, b: Tensor) -> Tensor:
        return half_a_pixel(a, b) / 2

    assert WarpedError(quarter)(original, other).item() == pytest.approx(0.25)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_frame_breaks_its_pairs_though_no_pixel_counts(
    sliding: Tensor, value: float
) -> None:
    broken = sliding.clone()
    broken[1, 0, 4, 0, 0] = value
    networks: list[FlowNetwork] = [Sliding(), Lost(20)]
    for network in networks:
        found = WarpedError(network)(sliding, broken).isnan()
        assert found.tolist() == [[False] * 8, [t in (3, 4) for t in range(8)]]


def test_an_image_has_none(sliding: Tensor) -> None:
    with pytest.raises(UserError, match="warped_error needs clips of at least 2 frames, got 1"):
        WarpedError(Sliding())(sliding[:, :, :1], sliding[:, :, :1])


@pytest.fixture
def unpublished_raft(bare_computer: Path, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Stand random weights in for the published ones; returns the flow they give ``images()``."""
    from torchvision.models.optical_flow import raft_small

    path = bare_computer / "raft.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = raft_small(weights=None).eval()
    torch.save(network.state_dict(), path)
    file = WeightsFile(path.name, file_sha256(path), path.stat().st_size, "https://invalid/raft")
    monkeypatch.setitem(TABLE, "raft_small", Weights("raft_small", (file,), "warped_error"))
    with torch.no_grad():
        flow: Tensor = network(*images())[-1]
    return flow


def images() -> Tensor:
    """Two images in [-1, 1], (2, 1, 3, 128, 136)."""
    return torch.rand(2, 1, 3, 128, 136, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_raft_is_torchvisions(unpublished_raft: Tensor) -> None:
    state = torch.get_rng_state()
    raft = Raft()
    assert torch.equal(torch.get_rng_state(), state)
    assert not raft.training and not any(p.requires_grad for p in raft.parameters())
    a, b = images()
    assert_close(raft(a, b), unpublished_raft, atol=0, rtol=0)
    for height, width in ((64, 128), (128, 132)):
        size = f"at least 128 px in multiples of 8, got {height}x{width}"
        with pytest.raises(UserError, match=size):
            raft(torch.zeros(1, 3, height, width), torch.zeros(1, 3, height, width))


@pytest.mark.usefixtures("unpublished_raft")
def test_it_is_computed_where_it_is_wanted_and_can_be() -> None:
    scorers, missing = available(ONLY, clip_shape=(9, 128, 256))
    assert scorers.names == ("psnr_db", "ssim", "flicker", "warped_error") and missing == []
    assert (
        "warped_error"
        not in available(MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=[])))[0].names
    )
    for shape, problem in {
        (9, 64, 64): "at least 128 px in multiples of 8, got 64x64",
        (9, 250, 256): "at least 128 px in multiples of 8, got 250x256",
        (1, 128, 128): "at least 2 frames, got 1",
    }.items():
        scorers, missing = available(ONLY, clip_shape=shape)
        assert "warped_error" not in scorers.names
        (reason,) = (row.reason for row in missing if row.name == "warped_error")
        assert reason.startswith("warped_error needs ") and reason.endswith(problem)


def test_without_weights_it_is_missing(bare_computer: Path, unpublished_raft: Tensor) -> None:
    (bare_computer / "raft.pth").unlink()
    scorers, missing = available(ONLY, clip_shape=(9, 128, 128))
    assert scorers.names == ("psnr_db", "ssim", "flicker")
    assert [row.name for row in missing] == ["warped_error"]
    assert "ODVAE_WEIGHTS" in missing[0].reason
