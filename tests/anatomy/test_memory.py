"""Memory followed on the meta device, against what can be counted by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from odvae.anatomy import Clip
from odvae.anatomy.arithmetic import AsOnGpu
from odvae.anatomy.memory import LiveTensors, estimate
from odvae.model import IMAGE, ODVAE

SIDE = 100
BYTES = 4 * SIDE * SIDE  # of one activation


def activation(*, requires_grad: bool = False) -> torch.Tensor:
    return torch.empty(SIDE, SIDE, device="meta", requires_grad=requires_grad)


def without_weights(variant: int = 4) -> ODVAE:
    with torch.device("meta"):
        return ODVAE.variant(variant, width=32, blocks=1)


def test_what_is_dropped_is_free_again() -> None:
    x = activation()
    with LiveTensors(free_of_charge=[x]) as live:
        y = x.exp()
        z = y.exp()
        assert live.bytes == 2 * BYTES
        del y
        assert live.bytes == BYTES
        w = z.exp()
        assert w.view(-1)[None].shape == (1, SIDE * SIDE)  # a view costs nothing
        assert (live.bytes, live.peak_bytes) == (2 * BYTES, 2 * BYTES)


def test_two_layers_without_gradient_hold_two_activations() -> None:
    with torch.device("meta"):
        layers = nn.Sequential(nn.Linear(SIDE, SIDE), nn.Linear(SIDE, SIDE), nn.SiLU())
    x = activation()
    with LiveTensors(free_of_charge=[x, *layers.parameters()]) as live, torch.no_grad():
        layers(x)
    assert (live.bytes, live.peak_bytes) == (0, 2 * BYTES)


def test_backward_holds_what_it_needs() -> None:
    """A silu keeps its input: x, free here, then y; and y's gradient stands beside z's."""
    x = activation(requires_grad=True)
    with LiveTensors(free_of_charge=[x]) as live:
        y = F.silu(x)
        z = F.silu(y)
        del y
        assert live.bytes == 2 * BYTES
        del z
        z = F.silu(F.silu(x))
        z.backward(torch.empty_like(z))
        del z
        assert x.grad is not None
        assert live.bytes == BYTES  # the gradient
        assert live.peak_bytes == 4 * BYTES  # y, z, and two gradients


def test_types_are_those_of_autocast() -> None:
    conv = nn.Conv3d(2, 2, 1, device="meta")
    norm = nn.GroupNorm(1, 2, device="meta")
    x = torch.empty(1, 2, 3, 4, 4, device="meta")
    with AsOnGpu(bf16=True):
        y = conv(x)
        assert (y.dtype, norm(y).dtype) == (torch.bfloat16, torch.float32)
        assert F.interpolate(y, scale_factor=2.0).dtype == torch.float32
        assert F.scaled_dot_product_attention(x[0], x[0], x[0]).dtype == torch.bfloat16
    with AsOnGpu(bf16=False):
        assert conv(x).dtype == torch.float32


def test_attention_does_not_hold_its_weights() -> None:
    tokens = torch.empty(1, 1, 1000, 8, device="meta")
    with LiveTensors(free_of_charge=[tokens]) as live, AsOnGpu(bf16=False), torch.no_grad():
        F.scaled_dot_product_attention(tokens, tokens, tokens)
    assert live.peak_bytes < 4 * 1000 * 1000


@pytest.mark.parametrize("variant", [IMAGE, 4])
def test_estimates_are_in_order(variant: int) -> None:
    clip = Clip(9, 64, 64)
    vae = without_weights(variant)
    fp32 = estimate(vae, clip, bf16=False, batches=(1, 2))
    bf16 = estimate(vae, clip, bf16=True, batches=(1, 2))
    assert fp32.weights == bf16.weights == 4 * sum(p.numel() for p in vae.parameters())
    widest = 4 * 32 * 9 * 64 * 64  # of the encoder, at full resolution
    assert fp32.encode > fp32.weights + 2 * widest
    assert bf16.encode < fp32.encode
    assert bf16.decode < fp32.decode
    # What a step keeps beside activations: weights, gradients, two moments, the EMA.
    assert 5 * fp32.weights < fp32.train[1] < fp32.train[2]
    assert bf16.train[2] < fp32.train[2]


def test_activations_grow_with_the_clip_and_weights_do_not() -> None:
    vae = without_weights()
    small, large = (
        estimate(vae, Clip(frames, 64, 64), bf16=False, batches=()) for frames in (9, 17)
    )
    ratio = (large.encode - large.weights) / (small.encode - small.weights)
    assert ratio == pytest.approx(17 / 9, rel=0.01)
    assert small.weights == large.weights
