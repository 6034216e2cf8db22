"""Tiny, random instances of every class of diffusers in the table. Video is (B, C, T, H, W)."""

from typing import Any

import torch
from torch import Tensor

_PYRAMID: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "latent_channels": 4,
}
_LTX: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8, 8),
    "layers_per_block": (1,) * 5,
    "decoder_layers_per_block": (1,) * 5,
    "latent_channels": 8,
}
_LTX_095: dict[str, Any] = {
    "block_out_channels": (8, 16, 32, 32, 32),
    "decoder_block_out_channels": (8, 16, 32),
    "layers_per_block": (1,) * 5,
    "decoder_layers_per_block": (1,) * 4,
    "latent_channels": 8,
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "upsample_residual": (True,) * 3,
    "upsample_factor": (2, 2, 2),
    "timestep_conditioning": True,
}
_COSMOS: dict[str, Any] = {
    "encoder_block_out_channels": (8, 8, 8, 8),
    "decode_block_out_channels": (8, 8, 8, 8),
    "num_layers": 1,
    "attention_resolutions": (8,),
    "resolution": 64,
}
CLASSES: dict[str, dict[str, Any]] = {
    "AutoencoderKLTemporalDecoder": {
        "block_out_channels": (32, 32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
    },
    "VQModel": {
        **_PYRAMID,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "vq_embed_dim": 6,
        "num_vq_embeddings": 32,
    },
    "AutoencoderKLCogVideoX": _PYRAMID,
    "AutoencoderKLWan": {"base_dim": 4, "num_res_blocks": 1},
    "AutoencoderKLHunyuanVideo": _PYRAMID,
    "AutoencoderKLMochi": {
        "encoder_block_out_channels": (32,) * 4,
        "decoder_block_out_channels": (32,) * 4,
        "layers_per_block": (1,) * 5,
        "add_attention_block": (False, False, False, True, True),
    },
    "AutoencoderKLLTXVideo": _LTX,
    "AutoencoderKLCosmos": _COSMOS,
    "AutoencoderKLAllegro": {**_PYRAMID, "sample_size": 32},
    "AutoencoderKLMagvit": _PYRAMID,
}
# Other configurations whose compression or lengths differ, by a name that starts with the class's.
VARIANTS: dict[str, dict[str, Any]] = {
    "AutoencoderKLTemporalDecoder 4x": {
        "block_out_channels": (32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
    },
    "AutoencoderKLCogVideoX 2x8x8": {**_PYRAMID, "temporal_compression_ratio": 2},
    "AutoencoderKLCogVideoX 8x8x8": {**_PYRAMID, "temporal_compression_ratio": 8},
    "AutoencoderKLWan 2.2": {
        "base_dim": 4,
        "num_res_blocks": 1,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
    },
    "AutoencoderKLWan 2x8x8": {
        "base_dim": 4,
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, False],
    },
    "AutoencoderKLHunyuanVideo 4x16x16": {
        **_PYRAMID,
        "block_out_channels": (8,) * 5,
        "down_block_types": ("HunyuanVideoDownBlock3D",) * 5,
        "up_block_types": ("HunyuanVideoUpBlock3D",) * 5,
        "spatial_compression_ratio": 16,
    },
    "AutoencoderKLMochi 4x4x4": {
        "encoder_block_out_channels": (32,) * 3,
        "decoder_block_out_channels": (32,) * 3,
        "layers_per_block": (1,) * 4,
        "add_attention_block": (False,) * 4,
        "temporal_expansions": (2, 2),
        "spatial_expansions": (2, 2),
    },
    "AutoencoderKLLTXVideo 0.9.5": _LTX_095,
    "AutoencoderKLLTXVideo 4x8x8": {
        **_LTX,
        "patch_size": 2,
        "spatio_temporal_scaling": (True, True, False, False),
        "decoder_spatio_temporal_scaling": (True, True, False, False),
    },
    "AutoencoderKLCosmos 4x8x8": {**_COSMOS, "temporal_compression_ratio": 4},
    "AutoencoderKLCosmos 8x16x16": {
        **_COSMOS,
        "spatial_compression_ratio": 16,
        "patch_type": "rearrange",
    },
    "AutoencoderKLAllegro 2x8x8": {
        **_PYRAMID,
        "temporal_downsample_blocks": (True, False, False, False),
        "temporal_upsample_blocks": (False, True, False, False),
    },
    "AutoencoderKLMagvit 2x4x4": {
        **_PYRAMID,
        "block_out_channels": (8, 8, 8),
        "down_block_types": ("SpatialDownBlock3D",) + ("SpatialTemporalDownBlock3D",) * 2,
        "up_block_types": ("SpatialUpBlock3D",) + ("SpatialTemporalUpBlock3D",) * 2,
        "spatial_group_norm": False,
    },
}


def tiny(name: str, changes: dict[str, Any] | None = None) -> Any:
    """An instance of diffusers in evaluation mode, the same for every call."""
    import diffusers

    config = {**(CLASSES | VARIANTS)[name], **(changes or {})}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(diffusers, name.split(maxsplit=1)[0])(**config).eval()


def noise(
    *, frames: int, height: int = 32, width: int = 32, clips: int = 1, seed: int = 0
) -> Tensor:
    """(clips, 3, frames, height, width), uniform in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(clips, 3, frames, height, width, generator=generator) * 2 - 1
