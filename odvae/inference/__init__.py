"""Encode and decode clips of any length with any video VAE."""

from odvae.inference.coding import decode, encode, find_seams
from odvae.inference.fitting import (
    CodedVideo,
    decode_video,
    decode_video_pieces,
    encode_video,
    encode_video_pieces,
    fitted,
    reconstruct,
)
from odvae.inference.seams import Seams
from odvae.inference.tiling import Tiling, TilingConfig, TilingMode

__all__ = [
    "CodedVideo",
    "Seams",
    "Tiling",
    "TilingConfig",
    "TilingMode",
    "decode",
    "decode_video",
    "decode_video_pieces",
    "encode",
    "encode_video",
    "encode_video_pieces",
    "find_seams",
    "fitted",
    "reconstruct",
]
