"""The released OD-VAE's config.json (diffusers-style, ``CausalVAEModel``).

Its fields say by name which layers a checkpoint's tensors are run through. For us the tensors
decide; the file can only agree, and name another function of the same tensors, which is refused.
"""

from collections.abc import Mapping

from odvae.errors import UserError
from odvae.model.architecture import LEVEL_MULTIPLIERS, Architecture

CLASS_NAME = "CausalVAEModel"
_SAME_FUNCTION = "_GC"  # ends the names of layers that save memory in training


def official_config(architecture: Architecture) -> dict[str, object]:
    """The released format's fields for one of the paper's variants. Levels count from 0."""
    row = architecture.layout
    spatial_down = "SpatialDownsample2x" if row.encoder_outer else "Downsample"
    space_time_down, space_time_up = "Spatial2xTime2x3DDownsample", "Spatial2xTime2x3DUpsample"
    return {
        "_class_name": CLASS_NAME,
        "hidden_size": architecture.width,
        "hidden_size_mult": list(LEVEL_MULTIPLIERS),
        "num_res_blocks": architecture.blocks,
        "z_channels": architecture.latent_channels,
        "embed_dim": architecture.latent_channels,
        "double_z": True,
        "use_quant_layer": True,
        "norm_type": "groupnorm",
        "attn_resolutions": [],
        "q_conv": "CausalConv3d",
        "encoder_conv_in": _conv(row.encoder_outer),
        "encoder_resnet_blocks": _blocks(row.encoder_outer, row.encoder_inner),
        "encoder_spatial_downsample": [spatial_down, space_time_down, space_time_down, ""],
        "encoder_temporal_downsample": ["", "", "", ""],
        "encoder_mid_resnet": _block(row.encoder_inner),
        "encoder_attention": "AttnBlock3DFix",  # the one without Fix mixes up frames and rows
        "encoder_conv_out": _conv(row.encoder_inner),
        "decoder_conv_in": _conv(row.decoder_inner),
        "decoder_mid_resnet": _block(row.decoder_inner),
        "decoder_attention": "AttnBlock3DFix",
        "decoder_resnet_blocks": _blocks(row.decoder_outer, row.decoder_inner),
        "decoder_spatial_upsample": ["", "SpatialUpsample2x", space_time_up, space_time_up],
        "decoder_temporal_upsample": ["", "", "", ""],
        "decoder_conv_out": _conv(row.decoder_outer),
    }


def check_config(config: Mapping[str, object], architecture: Architecture) -> None:
    """Check that the file agrees with what the tensors say. Raises UserError, naming the field."""
    for field, expected in official_config(architecture).items():
        got = _plain(config.get(field, expected))
        if got != expected:
            raise UserError(f"{field} is {got!r}, but the tensors are run through {expected!r}")


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain_name(item) for item in value]
    return _plain_name(value)


def _plain_name(value: object) -> object:
    return value.removesuffix(_SAME_FUNCTION) if isinstance(value, str) else value


def _conv(spans_time: bool) -> str:
    return "CausalConv3d" if spans_time else "Conv2d"


def _block(spans_time: bool) -> str:
    return "ResnetBlock3D" if spans_time else "ResnetBlock2D"


def _blocks(outer: bool, inner: bool) -> list[str]:
    return [_block(outer), _block(outer), _block(inner), _block(inner)]
