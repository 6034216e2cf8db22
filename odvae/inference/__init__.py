"""Encode and decode clips of any length with any video VAE."""

from odvae.inference.coding import decode, encode
from odvae.inference.tiling import Tiling, TilingConfig, TilingMode
from odvae.inference.video_vae import VideoVAE

__all__ = ["Tiling", "TilingConfig", "TilingMode", "VideoVAE", "decode", "encode"]
