"""The parts of encoder and decoder in the order they run, each with its size, cost and reach."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from odvae.errors import UserError
from odvae.model import ODVAE, VideoVAE
from odvae.model.causality import Reach, reach
from odvae.model.coders import PIXEL_CHANNELS, Coder


@dataclass(frozen=True)
class Clip:
    """The size of a clip."""

    frames: int
    height: int
    width: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From '33x256x256': frames, height, width. Raises UserError."""
        sizes = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)x([1-9]\d*)", text)
        if sizes is None:
            raise UserError(f"clip must be FRAMESxHEIGHTxWIDTH, as 33x256x256, got {text!r}")
        return cls(*(int(size) for size in sizes.groups()))

    def check(self, vae: VideoVAE) -> None:
        """Raises UserError for a clip that a VAE would have to cut."""
        lengths, compression = vae.clip_lengths, vae.compression
        if not lengths.takes(self.frames):
            raise UserError(f"clip must have {lengths} frames, got {self}")
        if self.height % compression.height or self.width % compression.width:
            raise UserError(
                f"clip must have a height and width of multiples of {compression.height} and "
                f"{compression.width}, got {self}"
            )

    def __str__(self) -> str:
        return f"{self.frames}x{self.height}x{self.width}"


@dataclass(frozen=True)
class Part:
    """Stages that a table shows as one row."""

    name: str  # where its tensors are in the model
    stages: Sequence[nn.Module]

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(tensor.numel() for stage in self.stages for tensor in stage.parameters())

    @property
    def kind(self) -> str:
        """What its widest convolutions are: 3D, 2D (frame by frame) or 1x1 (pixel by pixel)."""
        convolutions = (nn.Conv2d, nn.Conv3d)
        modules = (module for stage in self.stages for module in stage.modules())
        sizes = [max(m.kernel_size) for m in modules if isinstance(m, convolutions)]
        if max(sizes, default=1) == 1:
            return "1x1"
        return "3D" if reach(self.stages).spans_time else "2D"


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """A part at work on one clip."""

    name: str
    kind: str  # 3D, 2D or 1x1
    channels: int  # these and the sizes are of its output
    frames: int
    height: int
    width: int
    parameters: int
    flops: int  # two for each multiply-add of convolutions and attention; nothing else is counted
    reach: Reach  # from the coder's input to here


def encoder_parts(vae: ODVAE) -> list[Part]:
    """From pixels to moments."""
    return [*_parts(vae.encoder), Part("quant_conv", [vae.quant_conv])]


def decoder_parts(vae: ODVAE) -> list[Part]:
    """From latents to pixels."""
    return [Part("post_quant_conv", [vae.post_quant_conv]), *_parts(vae.decoder)]


def stages(parts: Sequence[Part]) -> list[nn.Module]:
    """All stages of consecutive parts."""
    return [stage for part in parts for stage in part.stages]


def empty_clips(clip: Clip, *, batch: int) -> Tensor:
    """Clips without data, (B, 3, T, H, W) on the meta device."""
    return _empty(PIXEL_CHANNELS, clip, batch=batch)


def empty_latents(vae: ODVAE, clip: Clip) -> Tensor:
    """The latents of one clip without data, (1, C, t, h, w) on the meta device."""
    by = vae.compression
    frames = 1 + (clip.frames - 1) // by.time
    size = Clip(frames, clip.height // by.height, clip.width // by.width)
    return _empty(vae.latent_channels, size, batch=1)


def _empty(channels: int, size: Clip, *, batch: int) -> Tensor:
    shape = (batch, channels, size.frames, size.height, size.width)
    return torch.empty(shape, device="meta")


@torch.no_grad()
def rows(parts: Sequence[Part], x: Tensor) -> list[PartRow]:
    """Send x (B, C, T, H, W) through the parts; on the meta device nothing is computed."""
    table: list[PartRow] = []
    for count, part in enumerate(parts, start=1):
        with FlopCounterMode(display=False) as counter:
            for stage in part.stages:
                x = stage(x)
        channels, frames, height, width = x.shape[1:]
        table.append(
            PartRow(
                name=part.name,
                kind=part.kind,
                channels=channels,
                frames=frames,
                height=height,
                width=width,
                parameters=part.parameters,
                flops=counter.get_total_flops(),
                reach=reach(stages(parts[:count])),
            )
        )
    return table


def _parts(coder: Coder) -> list[Part]:
    names = {module: name for name, module in coder.named_modules()}
    working = [stage for stage in coder.stages() if not isinstance(stage, nn.Identity)]
    grouped = groupby(working, key=lambda stage: _part_name(names[stage]))
    return [Part(name, list(group)) for name, group in grouped]


def _part_name(stage: str) -> str:
    """down.1.block.0 is of down.1; what stands between the last block and conv_out is of it."""
    match stage.split("."):
        case ["mid", _]:
            return "mid"
        case [side, level, "block", _]:
            return f"{side}.{level}"
        case ["norm_out" | "swish" | "conv_out"]:
            return "conv_out"
    return stage
