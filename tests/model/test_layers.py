"""Layers against closed forms and plain re-statements. Tensors are (B, C, T, H, W)."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close

from odvae.model.layers import (
    CausalConv3d,
    ClipGroupNorm,
    FrameAttention,
    FrameConv2d,
    FrameGroupNorm,
)
from odvae.model.resampling import Downsample, SpaceTimeUpsample, SpatialUpsample


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def ramp(frames: int) -> Tensor:
    """Each frame is its own number: (1, 1, frames, 4, 4)."""
    return torch.arange(frames, dtype=torch.float64).view(1, 1, -1, 1, 1).expand(1, 1, frames, 4, 4)


def set_to_identity(conv: nn.Module) -> None:
    """Pass each channel through: the current frame's centre tap is 1."""
    assert isinstance(conv, nn.Conv3d)
    assert conv.bias is not None
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    _, _, _, height, width = conv.weight.shape
    conv.weight.data[:, :, -1, height // 2, width // 2] = torch.eye(conv.weight.shape[0])


class Convolved(TorchFunctionMode):
    """Notes how many numbers the input or output, the larger one, of each 3D convolution has."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if func is F.conv3d:
            self.sizes.append(max(args[0].numel(), made.numel()))
        return made


@pytest.mark.parametrize("stride_t", [1, 2])
def test_causal_convolution_repeats_frame_0_as_its_past(stride_t: int) -> None:
    conv = CausalConv3d(2, 3, kernel=(3, 3, 3), stride=(stride_t, 1, 1)).double()
    x = noise(1, 2, 5, 6, 6)
    past_and_x = torch.cat([x[:, :, :1], x[:, :, :1], x], dim=2)
    y = conv(x)
    assert y.shape == (1, 3, 1 + 4 // stride_t, 6, 6)
    for t in range(y.shape[2]):
        window = past_and_x[:, :, stride_t * t : stride_t * t + 3]  # ends with frame stride_t * t
        expected = F.conv3d(window, conv.weight, conv.bias, padding=(0, 1, 1))
        assert_close(y[:, :, t : t + 1], expected)


@pytest.mark.parametrize("stride_t", [1, 2])
@pytest.mark.parametrize("most", [1, 6 * 6 * 6 * 5, 6 * 6 * 6 * 8])
def test_a_convolution_too_large_to_number_is_made_in_pieces(
    stride_t: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = CausalConv3d(2, 3, kernel=(3, 3, 3), stride=(stride_t, 1, 1)).double()
    x = noise(2, 2, 9, 6, 6)
    whole = conv(x)
    monkeypatch.setattr("odvae.model.layers.MOST_ELEMENTS", most)
    sizes: list[int] = []
    with Convolved(sizes):
        assert_close(conv(x), whole)
    assert len(sizes) > 1 and max(sizes) <= max(most, 2 * 2 * 3 * 6 * 6)


def test_frame_convolution_is_a_2d_convolution_of_each_frame() -> None:
    conv = FrameConv2d(2, 3, 3, padding=1).double()
    x = noise(2, 2, 4, 5, 6)
    expected = [F.conv2d(x[:, :, t], conv.weight, conv.bias, padding=1) for t in range(4)]
    assert_close(conv(x), torch.stack(expected, dim=2))


def test_clip_norm_has_one_mean_and_variance_for_all_frames() -> None:
    x = noise(2, 4, 3, 5, 5) * torch.arange(1, 4).view(1, 1, 3, 1, 1)
    y = ClipGroupNorm(2, 4, eps=0.0).double()(x).unflatten(1, (2, 2))  # (B, groups, 2, T, H, W)
    over_group = (2, 3, 4, 5)
    assert_close(y.mean(over_group), torch.zeros(2, 2, dtype=y.dtype), atol=1e-12, rtol=0)
    assert_close(y.var(over_group, correction=0), torch.ones(2, 2, dtype=y.dtype))
    assert (y.var((2, 4, 5), correction=0) - 1).abs().max() > 0.5  # a frame alone has another


def test_frame_norm_has_them_for_each_frame() -> None:
    x = noise(2, 4, 3, 5, 5) * torch.arange(1, 4).view(1, 1, 3, 1, 1)
    y = FrameGroupNorm(2, 4, eps=0.0).double()(x).unflatten(1, (2, 2))
    assert_close(y.mean((2, 4, 5)), torch.zeros(2, 2, 3, dtype=y.dtype), atol=1e-12, rtol=0)
    assert_close(y.var((2, 4, 5), correction=0), torch.ones(2, 2, 3, dtype=y.dtype))


def test_attention_is_within_each_frame() -> None:
    attention = FrameAttention(4, norm=nn.Identity).double()
    x = noise(2, 4, 3, 2, 5)
    q, k, v = (layer(x).flatten(3) for layer in (attention.q, attention.k, attention.v))
    scores = torch.einsum("bcti,bctj->btij", q, k) / 4**0.5
    mixed = torch.einsum("btij,bctj->bcti", scores.softmax(dim=-1), v).view_as(x)
    assert_close(attention(x), x + attention.proj_out(mixed))


def test_spatial_downsampling_pads_right_and_bottom() -> None:
    down = Downsample(1, stride_t=1, conv_3d=True)
    assert isinstance(down.conv, nn.Conv3d)
    nn.init.ones_(down.conv.weight)
    assert down.conv.bias is not None
    nn.init.zeros_(down.conv.bias)
    y = down(torch.ones(1, 1, 1, 4, 4))
    assert_close(y[0, 0, 0], torch.tensor([[9.0, 6.0], [6.0, 4.0]]))


def test_space_only_downsampling_is_one_function_in_2d_and_3d() -> None:
    flat, deep = (Downsample(3, stride_t=1, conv_3d=conv_3d).double() for conv_3d in (False, True))
    deep.load_state_dict(
        {
            name: tensor.unsqueeze(2) if tensor.ndim == 4 else tensor
            for name, tensor in flat.state_dict().items()
        }
    )
    x = noise(2, 3, 3, 8, 8)
    assert_close(flat(x), deep(x))


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (2, 1), (3, 2), (5, 3), (9, 5)])
def test_space_time_downsampling_halves_time_after_frame_0(frames: int, latents: int) -> None:
    down = Downsample(2, stride_t=2, conv_3d=True).double()
    assert down(noise(1, 2, frames, 8, 6)).shape == (1, 2, latents, 4, 3)


@pytest.mark.parametrize(
    ("trilinear", "times"),
    [(True, [0, 1, 1.25, 1.75, 2]), (False, [0, 1, 1, 2, 2])],
)
def test_space_time_upsampling_in_time(trilinear: bool, times: list[float]) -> None:
    up = SpaceTimeUpsample(1, trilinear=trilinear).double()
    set_to_identity(up.conv)
    expected = torch.tensor(times, dtype=torch.float64).view(1, 1, 5, 1, 1).expand(1, 1, 5, 8, 8)
    assert_close(up(ramp(3)), expected)


def test_trilinear_upsampling_in_space_does_not_align_corners() -> None:
    up = SpaceTimeUpsample(1, trilinear=True).double()
    set_to_identity(up.conv)
    row = torch.tensor([0.0, 1.0], dtype=torch.float64).view(1, 1, 1, 1, 2)
    expected = torch.tensor([0.0, 0.25, 0.75, 1.0], dtype=torch.float64).view(1, 1, 1, 1, 4)
    assert_close(up(row), expected.expand(1, 1, 1, 2, 4))


def test_spatial_upsampling_repeats_pixels() -> None:
    up = SpatialUpsample(2).double()
    set_to_identity(up.conv)
    x = noise(1, 2, 3, 2, 3)
    assert_close(up(x), x.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4))
