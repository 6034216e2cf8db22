"""What a protocol leaves open is taken from the data that a run trains on."""

from dataclasses import replace

from odvae.data import DataConfig
from odvae.errors import UserError
from odvae.metrics import ProtocolConfig


def check_filled(protocol: ProtocolConfig, data: DataConfig) -> None:
    """Check what a protocol leaves open against what it does not. Raises UserError."""
    size_px = protocol.size_px or data.size_px
    short_side_px = protocol.short_side_px or data.short_side_px
    if short_side_px < size_px:
        whose = "" if protocol.short_side_px else ", that of data"
        raise UserError(
            f"metrics.protocol.short_side_px must be at least the {size_px} px of "
            f"metrics.protocol.size_px, got {short_side_px}{whose}"
        )


def evaluation_data(protocol: ProtocolConfig, data: DataConfig) -> DataConfig:
    """The data, with the clips that a protocol scores; their stride is 1 where it has a rate."""
    return replace(
        data,
        clip_frames=protocol.clip_frames or data.clip_frames,
        size_px=protocol.size_px or data.size_px,
        short_side_px=protocol.short_side_px or data.short_side_px,
        frame_stride=1 if protocol.fps else protocol.frame_stride or data.frame_stride,
        eval_clips=protocol.eval_clips or data.eval_clips,
    )


def filled(protocol: ProtocolConfig, data: DataConfig) -> ProtocolConfig:
    """The protocol with nothing left open but the strides that follow from its rate."""
    clips = evaluation_data(protocol, data)
    return replace(
        protocol,
        clip_frames=clips.clip_frames,
        size_px=clips.size_px,
        short_side_px=clips.short_side_px,
        frame_stride=None if protocol.fps else clips.frame_stride,
        eval_clips=clips.eval_clips,
    )
