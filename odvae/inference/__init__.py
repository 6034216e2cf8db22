"""Encode and decode clips of any length with any video VAE."""

from odvae.inference.coding import decode, encode
from odvae.inference.fitting import fitted, reconstruct
from odvae.inference.tiling import Tiling, TilingConfig, TilingMode

__all__ = ["Tiling", "TilingConfig", "TilingMode", "decode", "encode", "fitted", "reconstruct"]
