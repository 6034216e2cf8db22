"""What the present hardware does in a second, measured on convolutions like a model's."""

import statistics
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from odvae.anatomy import Clip
from odvae.anatomy.parts import empty_latents
from odvae.experiment.timing import seconds_of
from odvae.model import ODVAE, Architecture
from odvae.model.layers import ResnetBlock
from odvae.training import thrift
from odvae.training.precision import Arithmetic

_MOST_FLOPS = {"cpu": 4e9, "cuda": 4e12}  # of one go
_MOST_CLIPS = 2
_LEAST_SIDE_PX = 32
_LEAST_FRAMES = 5
_MEASURE_S = 1.0
_WEIGHTS_STD = 0.02


@cache
def measured_flops_per_s(
    architecture: Architecture,
    clip: Clip,
    arithmetic: Arithmetic,
    *,
    clips: int,
    channels_last: bool,
) -> float:
    """FLOPs a second of the decoder's residual blocks, one of each level, forward and backward.

    On so many clips, or on fewer and smaller ones where these would take long. Counted are
    convolutions, as for a step; the time is also that of norms and activations between them.
    """
    clips = min(clips, _MOST_CLIPS)
    blocks = _blocks(architecture, _cropped(architecture, clip, clips, arithmetic.device.type))
    for block, _ in blocks:
        _fill(block, arithmetic.device)
        if channels_last:
            thrift.channels_last(block)
    inputs = [_random((clips, *shape), arithmetic.device) for _, shape in blocks]

    def compute() -> None:
        for (block, _), x in zip(blocks, inputs, strict=True):
            with arithmetic.autocast():
                y = block(x)
            y.float().sum().backward()

    with torch.enable_grad():
        with FlopCounterMode(display=False) as counter:
            compute()
        compute()  # the first time without the counter's own work
        seconds = [seconds_of(compute, arithmetic.device)]
        while sum(seconds) < _MEASURE_S:
            seconds.append(seconds_of(compute, arithmetic.device))
    flops: int = counter.get_total_flops()
    return flops / statistics.median(seconds)


_Block = tuple[ResnetBlock, tuple[int, ...]]  # and the size (C, T, H, W) of what it takes


@torch.no_grad()
def _blocks(architecture: Architecture, clip: Clip) -> list[_Block]:
    """On the meta device: the last block of each size at which the decoder works on a clip."""
    with torch.device("meta"):
        vae = ODVAE(architecture)
    x = vae.post_quant_conv(empty_latents(vae, clip))
    by_size: dict[tuple[int, ...], ResnetBlock] = {}
    for stage in vae.decoder.stages():
        x = stage(x)
        if isinstance(stage, ResnetBlock) and isinstance(stage.nin_shortcut, nn.Identity):
            by_size[tuple(x.shape[1:])] = stage
    return [(block, size) for size, block in by_size.items()]


def _cropped(architecture: Architecture, clip: Clip, clips: int, device: str) -> Clip:
    """A clip on which the blocks do not take long: first smaller, then shorter, down to a least."""
    flops_per_value = clips * _flops(architecture, clip) / _values(clip)
    while flops_per_value * _values(clip) > _MOST_FLOPS[device]:
        side = min(clip.height, clip.width)
        if side > _LEAST_SIDE_PX:
            side = max(_LEAST_SIDE_PX, side // 2 // 8 * 8)
            clip = Clip(clip.frames, side, side)
        elif clip.frames > _LEAST_FRAMES:
            clip = Clip(max(_LEAST_FRAMES, 1 + (clip.frames - 1) // 8 * 4), side, side)
        else:
            break
    return clip


def _values(clip: Clip) -> int:
    return clip.frames * clip.height * clip.width


def _flops(architecture: Architecture, clip: Clip) -> float:
    """Forward and backward of the blocks, on one clip."""
    return sum(
        6.0 * sum(parameter.numel() for parameter in block.parameters()) * frames * height * width
        for block, (_, frames, height, width) in _blocks(architecture, clip)
    )


@torch.no_grad()
def _fill(block: ResnetBlock, device: torch.device) -> None:
    """Give a block of the meta device weights."""
    generator = torch.Generator(device)  # not the global one, on which a training may depend
    block.to_empty(device=device)
    for parameter in block.parameters():
        parameter.normal_(0, _WEIGHTS_STD, generator=generator)


def _random(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Activations, of which gradients are wanted as within a model."""
    x = torch.empty(shape, device=device).normal_(generator=torch.Generator(device))
    return x.requires_grad_()
