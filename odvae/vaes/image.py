"""The 2D SD-VAE as diffusers' ``AutoencoderKL``: what its config.json must say, and says."""

from collections.abc import Mapping

from odvae.errors import UserError
from odvae.model.architecture import LEVEL_MULTIPLIERS, Architecture
from odvae.model.vae import SD_LATENT_SCALE

CLASS_NAME = "AutoencoderKL"
_LEVELS = len(LEVEL_MULTIPLIERS)
_FIXED: dict[str, object] = {  # of every SD-VAE
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * _LEVELS,
    "up_block_types": ["UpDecoderBlock2D"] * _LEVELS,
    "act_fn": "silu",
    "use_quant_conv": True,
    "use_post_quant_conv": True,
    "mid_block_add_attention": True,
    "scaling_factor": SD_LATENT_SCALE,
    "shift_factor": None,
    "latents_mean": None,
    "latents_std": None,
}
_SAME: dict[str, object] = {"swish": "silu"}  # two names of one function


def autoencoder_kl_config(architecture: Architecture) -> dict[str, object]:
    """diffusers' configuration of an image VAE with one number of norm groups."""
    return {
        "_class_name": CLASS_NAME,
        **_FIXED,
        **_sizes(architecture),
        "norm_num_groups": architecture.norm_groups,
        "sample_size": 256,
    }


def check_kind(config: Mapping[str, object]) -> None:
    """Check that a configuration is an SD-VAE's. Raises UserError, naming the field."""
    for field, expected in _FIXED.items():
        got = config.get(field, expected)
        if (_SAME.get(got, got) if isinstance(got, str) else got) != expected:
            raise UserError(f"{field} must be {expected!r} in an SD-VAE, got {got!r}")


def check_sizes(config: Mapping[str, object], architecture: Architecture) -> None:
    """Check that the file agrees with what the tensors say. Raises UserError, naming the field."""
    for field, expected in _sizes(architecture).items():
        got = config.get(field, expected)
        if got != expected:
            raise UserError(f"{field} must be {expected!r} with these tensors, got {got!r}")


def _sizes(architecture: Architecture) -> dict[str, object]:
    return {
        "block_out_channels": [architecture.width * m for m in LEVEL_MULTIPLIERS],
        "layers_per_block": architecture.blocks,
        "latent_channels": architecture.latent_channels,
    }
