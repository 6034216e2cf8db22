"""The causal video VAE in pure torch: layers, the table of variants, inflation, checkpoints."""

from odvae.model.architecture import Architecture
from odvae.model.checkpoint import from_official, load
from odvae.model.inflation import Initialisation, image_state_dict, inflate
from odvae.model.interface import (
    ClipLengths,
    Compression,
    LatentScaling,
    StreamingVAE,
    VideoVAE,
)
from odvae.model.posterior import Deterministic, Encoding, Posterior
from odvae.model.vae import ODVAE
from odvae.model.variants import IMAGE, TEMPORAL_DECODER, VARIANTS, VIDEO_VARIANTS, Operators

__all__ = [
    "IMAGE",
    "ODVAE",
    "TEMPORAL_DECODER",
    "VARIANTS",
    "VIDEO_VARIANTS",
    "Architecture",
    "ClipLengths",
    "Compression",
    "Deterministic",
    "Encoding",
    "Initialisation",
    "LatentScaling",
    "Operators",
    "Posterior",
    "StreamingVAE",
    "VideoVAE",
    "from_official",
    "image_state_dict",
    "inflate",
    "load",
]
