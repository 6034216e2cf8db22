"""The causal video VAE in pure torch: layers, the table of variants, inflation, checkpoints."""

from odvae.model.architecture import Architecture
from odvae.model.checkpoint import from_official, load
from odvae.model.inflation import Initialisation, image_state_dict, inflate
from odvae.model.posterior import Posterior
from odvae.model.vae import ODVAE
from odvae.model.variants import IMAGE, VARIANTS, VIDEO_VARIANTS, Operators

__all__ = [
    "IMAGE",
    "ODVAE",
    "VARIANTS",
    "VIDEO_VARIANTS",
    "Architecture",
    "Initialisation",
    "Operators",
    "Posterior",
    "from_official",
    "image_state_dict",
    "inflate",
    "load",
]
