"""Encoder and decoder. Every tensor is (B, C, T, H, W). Modules carry SD-VAE's (CompVis) names.

A causal convolution is an ``nn.Conv3d`` at the path of its 2D twin, so a video VAE and the image
VAE it starts from have the same tensor names, and inflation is a matter of shapes alone.
"""

from collections.abc import Callable, Iterable
from functools import partial

from torch import Tensor, nn

from odvae.model.architecture import LEVEL_MULTIPLIERS, Architecture
from odvae.model.causality import Frames, SeesFrames, frames_seen
from odvae.model.layers import (
    ClipGroupNorm,
    FrameAttention,
    FrameGroupNorm,
    ResnetBlock,
    conv3x3,
)
from odvae.model.resampling import Downsample, SpaceTimeUpsample, SpatialUpsample
from odvae.model.streaming import State, stream_through

PIXEL_CHANNELS = 3
OUTER_LEVELS = (0, 1)  # the two of highest resolution
SPACE_TIME_DOWN_LEVELS = (1, 2)  # levels that end in a space-time downsampling
SPACE_TIME_UP_LEVELS = (3, 2)  # levels that end in a space-time upsampling
Norm = Callable[[int], nn.Module]


def _norm(arch: Architecture, channels: int, *, per_frame: bool) -> nn.Module:
    kind = FrameGroupNorm if per_frame else ClipGroupNorm
    return kind(arch.groups(channels), channels, eps=1e-6)


def _norms(arch: Architecture, *, spans_time: bool = True) -> Norm:
    """Norm of a block: 2D blocks always take their statistics per frame."""
    return partial(_norm, arch, per_frame=arch.operator_row.norm_per_frame or not spans_time)


class Level(nn.Module):
    """The residual blocks of one resolution, then the way to the next one; none is an Identity."""

    def __init__(self, blocks: list[ResnetBlock]) -> None:
        super().__init__()
        self.block = nn.ModuleList(blocks)

    def stages(self) -> list[nn.Module]:
        """In the order they run."""
        resample = [module for name, module in self.named_children() if name != "block"]
        return [*self.block, *resample]


class DownLevel(Level):
    """A level of the encoder."""

    def __init__(self, blocks: list[ResnetBlock], downsample: nn.Module) -> None:
        super().__init__(blocks)
        self.downsample = downsample


class UpLevel(Level):
    """A level of the decoder."""

    def __init__(self, blocks: list[ResnetBlock], upsample: nn.Module) -> None:
        super().__init__(blocks)
        self.upsample = upsample


class Middle(nn.Module):
    """Residual block, attention within each frame, residual block, at the lowest resolution."""

    def __init__(self, arch: Architecture, *, spans_time: bool) -> None:
        super().__init__()
        channels = arch.width * LEVEL_MULTIPLIERS[-1]
        norm = _norms(arch, spans_time=spans_time)
        self.block_1 = ResnetBlock(channels, channels, spans_time=spans_time, norm=norm)
        self.attn_1 = FrameAttention(channels, norm=_norms(arch))
        self.block_2 = ResnetBlock(channels, channels, spans_time=spans_time, norm=norm)

    def stages(self) -> list[nn.Module]:
        """In the order they run."""
        return [self.block_1, self.attn_1, self.block_2]


class Coder(SeesFrames, nn.Module):
    """A straight pipeline: each stage feeds the next and nothing skips."""

    def stages(self) -> list[nn.Module]:
        """In the order they run."""
        raise NotImplementedError

    def frames_seen(self, frames: Frames) -> Frames:
        """Input frames that these output frames depend on, norms over the clip left aside."""
        return frames_seen(self.stages(), frames)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages():
            x = stage(x)
        return x

    def stream(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """The next frames through all stages, each with a state of its own."""
        return stream_through(self.stages(), x, state, last=last)


class Encoder(Coder):
    """Pixels (B, 3, T, H, W) to raw moments (B, 2 C, 1 + (T - 1) / 4, H / 8, W / 8)."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        layout = arch.layout
        channels = [arch.width * m for m in LEVEL_MULTIPLIERS]
        self.conv_in = conv3x3(PIXEL_CHANNELS, channels[0], spans_time=layout.encoder_outer)
        down: list[DownLevel] = []
        c_in = channels[0]
        for level, c_out in enumerate(channels):
            spans_time = layout.encoder_outer if level in OUTER_LEVELS else layout.encoder_inner
            blocks = _blocks(arch, c_in, c_out, spans_time=spans_time, count=arch.blocks)
            down.append(DownLevel(blocks, _downsample(arch, level, c_out)))
            c_in = c_out
        self.down = nn.ModuleList(down)
        self.mid = Middle(arch, spans_time=layout.encoder_inner)
        self.norm_out = _norms(arch)(c_in)
        self.swish = nn.SiLU()
        self.conv_out = conv3x3(c_in, 2 * arch.latent_channels, spans_time=layout.encoder_inner)

    def stages(self) -> list[nn.Module]:
        levels = _stages(self.down)
        tail = [self.norm_out, self.swish, self.conv_out]
        return [self.conv_in, *levels, *self.mid.stages(), *tail]


class Decoder(Coder):
    """Latents (B, C, t, h, w) to pixels (B, 3, 1 + 4 (t - 1), 8 h, 8 w); no tanh, no clamp."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        layout = arch.layout
        channels = [arch.width * m for m in LEVEL_MULTIPLIERS]
        c_in = channels[-1]
        self.conv_in = conv3x3(arch.latent_channels, c_in, spans_time=layout.decoder_inner)
        self.mid = Middle(arch, spans_time=layout.decoder_inner)
        levels: list[UpLevel] = []
        for level in reversed(range(len(channels))):
            spans_time = layout.decoder_outer if level in OUTER_LEVELS else layout.decoder_inner
            c_out = channels[level]
            blocks = _blocks(arch, c_in, c_out, spans_time=spans_time, count=arch.blocks + 1)
            levels.append(UpLevel(blocks, _upsample(arch, level, c_out)))
            c_in = c_out
        self.up = nn.ModuleList(reversed(levels))  # indexed by level: up[3] runs first
        self.norm_out = _norms(arch)(c_in)
        self.swish = nn.SiLU()
        self.conv_out = conv3x3(c_in, PIXEL_CHANNELS, spans_time=layout.decoder_outer)

    def stages(self) -> list[nn.Module]:
        levels = _stages(reversed(self.up))
        tail = [self.norm_out, self.swish, self.conv_out]
        return [self.conv_in, *self.mid.stages(), *levels, *tail]


def _stages(levels: Iterable[nn.Module]) -> list[nn.Module]:
    return [stage for level in levels if isinstance(level, Level) for stage in level.stages()]


def _blocks(
    arch: Architecture, c_in: int, c_out: int, *, spans_time: bool, count: int
) -> list[ResnetBlock]:
    norm = _norms(arch, spans_time=spans_time)
    widths = [c_in] + [c_out] * (count - 1)
    return [ResnetBlock(width, c_out, spans_time=spans_time, norm=norm) for width in widths]


def _downsample(arch: Architecture, level: int, channels: int) -> nn.Module:
    if level == len(LEVEL_MULTIPLIERS) - 1:
        return nn.Identity()
    if level in SPACE_TIME_DOWN_LEVELS and arch.layout.compresses_time:
        return Downsample(channels, stride_t=2, conv_3d=True)
    # The released models store a (1, 3, 3) kernel where the outer encoder is 3D.
    return Downsample(channels, stride_t=1, conv_3d=arch.layout.encoder_outer)


def _upsample(arch: Architecture, level: int, channels: int) -> nn.Module:
    if level == 0:
        return nn.Identity()
    if level in SPACE_TIME_UP_LEVELS and arch.layout.compresses_time:
        return SpaceTimeUpsample(channels, trilinear=arch.operator_row.trilinear)
    return SpatialUpsample(channels)
