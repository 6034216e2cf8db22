"""From the modules of a plain model to the stages that replace them, weights transformed."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from odvae.acceleration.block import Attention, Block
from odvae.acceleration.causal_conv import TemporalConv
from odvae.acceleration.clip import Stage
from odvae.acceleration.framewise import FrameConv, Pointwise, SpatialDown
from odvae.acceleration.kernels import NEAREST_DOUBLED, SAME_SIZE, Kernel
from odvae.acceleration.norm import Norm
from odvae.acceleration.pipeline import Pipeline
from odvae.acceleration.resampling import SpaceTimeDown, SpaceTimeUp
from odvae.acceleration.row_winograd import ROW_FILTERED
from odvae.acceleration.thin_conv import THIN_CHANNELS, FromThinConv, ToThinConv
from odvae.model.layers import (
    CausalConv3d,
    ClipGroupNorm,
    FrameAttention,
    FrameConv2d,
    FrameGroupNorm,
    ResnetBlock,
)
from odvae.model.resampling import Downsample, SpaceTimeUpsample, SpatialUpsample

_FILTERED_CHANNELS = 128  # fewer cost more to transform than it saves


def pipeline(modules: Iterable[nn.Module], dtype: torch.dtype) -> Pipeline:
    """The stages that do what these modules do one after another.

    Raises:
        TypeError: a module that none is known for.
    """
    return Pipeline(_stages(list(modules), dtype))


def _stages(modules: list[nn.Module], dtype: torch.dtype) -> Iterator[Stage]:
    for module, after in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(module, ClipGroupNorm | FrameGroupNorm):
            yield _norm(module, dtype, swish=isinstance(after, nn.SiLU))
        elif not isinstance(module, nn.Identity | nn.SiLU):
            yield _stage(module, dtype)


def _stage(module: nn.Module, dtype: torch.dtype) -> Stage:
    match module:
        case ResnetBlock():
            return _block(module, dtype)
        case FrameAttention():
            return _attention(module, dtype)
        case Downsample():
            return _down(module, dtype)
        case SpatialUpsample():
            weight, bias = _weights(module.conv, dtype)
            return FrameConv(_flat(weight), bias, NEAREST_DOUBLED)
        case SpaceTimeUpsample():
            return SpaceTimeUp(*_weights(module.conv, dtype), trilinear=module.trilinear)
    return _conv(module, dtype)


def _conv(module: nn.Module, dtype: torch.dtype) -> Stage:
    weight, bias = _weights(module, dtype)
    if weight.shape[-1] == 1:
        return Pointwise(weight, bias)
    if weight.ndim == 5 and weight.shape[1] <= THIN_CHANNELS:
        return FromThinConv(weight, bias)
    if weight.ndim == 5 and weight.shape[0] <= THIN_CHANNELS:
        return ToThinConv(weight, bias)
    return _wide_conv(weight, bias)


def _block(module: ResnetBlock, dtype: torch.dtype) -> Block:
    convs = []
    for conv in (module.conv1, module.conv2):
        convs.append(_wide_conv(*_weights(conv, dtype)))
    norms = [_norm(norm, dtype, swish=True) for norm in (module.norm1, module.norm2)]
    shortcut = None
    if not isinstance(module.nin_shortcut, nn.Identity):
        shortcut = Pointwise(*_weights(module.nin_shortcut, dtype))
    return Block(norms[0], convs[0], norms[1], convs[1], shortcut)


def _wide_conv(weight: Tensor, bias: Tensor) -> FrameConv | TemporalConv:
    if weight.ndim == 4:
        return FrameConv(weight, bias, _still(weight))
    return TemporalConv(weight, bias, SAME_SIZE, still=_still(weight))


def _still(weight: Tensor) -> Kernel:
    """What convolves single frames: filtering along rows needs precision, and many channels."""
    narrow = min(weight.shape[:2]) < _FILTERED_CHANNELS
    return SAME_SIZE if narrow or weight.dtype.itemsize < 4 else ROW_FILTERED


def _attention(module: FrameAttention, dtype: torch.dtype) -> Attention:
    qkv = [_weights(part, dtype) for part in (module.q, module.k, module.v)]
    norm = _norm(module.norm, dtype, swish=False)
    return Attention(norm, qkv, _weights(module.proj_out, dtype))


def _down(module: Downsample, dtype: torch.dtype) -> Stage:
    weight, bias = _weights(module.conv, dtype)
    if weight.ndim == 5 and weight.shape[2] > 1:
        return SpaceTimeDown(weight, bias)
    return SpatialDown(_flat(weight), bias)


def _norm(module: nn.Module, dtype: torch.dtype, *, swish: bool) -> Norm:
    assert isinstance(module, nn.GroupNorm)
    per_frame = isinstance(module, FrameGroupNorm)
    weight, bias = _weights(module, dtype)
    return Norm(
        weight, bias, groups=module.num_groups, eps=module.eps, per_frame=per_frame, swish=swish
    )


def _weights(module: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Copies of weight and bias in the precision to compute in."""
    if not isinstance(module, CausalConv3d | FrameConv2d | nn.GroupNorm):
        raise TypeError(f"no accelerated form of {type(module).__name__} is known")
    assert module.bias is not None
    weight, bias = (p.detach().to(dtype, copy=True) for p in (module.weight, module.bias))
    return weight, bias


def _flat(weight: Tensor) -> Tensor:
    """A (C_out, C_in, 1, 3, 3) kernel as the 2D one it is."""
    return weight if weight.ndim == 4 else weight.squeeze(2)
