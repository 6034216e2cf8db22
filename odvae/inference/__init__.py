"""Encode and decode clips of any length with any video VAE."""

from odvae.inference.coding import decode, encode
from odvae.inference.fitting import CodedVideo, decode_video, encode_video, fitted, reconstruct
from odvae.inference.tiling import Tiling, TilingConfig, TilingMode

__all__ = [
    "CodedVideo",
    "Tiling",
    "TilingConfig",
    "TilingMode",
    "decode",
    "decode_video",
    "encode",
    "encode_video",
    "fitted",
    "reconstruct",
]
