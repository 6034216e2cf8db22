"""Clips of any size through any VAE: padded to a size it takes, cropped back to their own.

Tensors are (B, C, T, H, W), pixels in [-1, 1].
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from odvae.inference.coding import decode, encode
from odvae.inference.tiling import Tiling
from odvae.model import VideoVAE


@dataclass(frozen=True)
class CodedVideo:
    """The latents of a clip of any size, and what is needed to bring that size back."""

    latents: Tensor  # (B, C, t, h, w), of the padded clip
    frames: int
    height_px: int
    width_px: int


def encode_video(vae: VideoVAE, video: Tensor, tiling: Tiling) -> CodedVideo:
    """Encode a clip of any size, by the mode of its posterior.

    Args:
        vae: any video VAE.
        video: (B, 3, T, H, W) in [-1, 1], from one frame and one pixel upward.
        tiling: how the clip is cut.

    Raises:
        ValueError: not such a tensor.
        UserError: the tiling does not suit the VAE.
    """
    return CodedVideo(encode(vae, fitted(vae, video), tiling).mode(), *video.shape[2:])


def decode_video(vae: VideoVAE, coded: CodedVideo, tiling: Tiling) -> Tensor:
    """Decode to (B, 3, T, H, W) of the size that was encoded, unclamped.

    Raises:
        ValueError: the VAE does not take such latents, or they are not those of such a clip.
        UserError: the tiling does not suit the VAE.
    """
    size = (coded.frames, coded.height_px, coded.width_px)
    video = decode(vae, coded.latents, tiling)
    if tuple(video.shape[2:]) != _fitted_size(vae, size):
        raise ValueError(
            f"latents {tuple(coded.latents.shape)} are not those of a clip of {_text(size)}: they "
            f"decode to {_text(video.shape[2:])}"
        )
    return video[:, :, : coded.frames, : coded.height_px, : coded.width_px]


def reconstruct(vae: VideoVAE, video: Tensor, tiling: Tiling) -> Tensor:
    """Encode and decode a clip of any size; (B, 3, T, H, W) comes back, unclamped.

    A VAE that would cut a length or a side gets the last frame, row and column repeated instead.
    Arguments and errors are those of ``encode_video``.
    """
    return decode_video(vae, encode_video(vae, video, tiling), tiling)


def fitted(vae: VideoVAE, video: Tensor) -> Tensor:
    """Repeat the last frame, row and column of (B, 3, T, H, W) up to a size that the VAE takes.

    Raises:
        ValueError: not such a tensor, or one without a frame or a pixel.
    """
    if video.ndim != 5 or 0 in video.shape:
        raise ValueError(f"video must be (B, 3, T, H, W), none of them 0, got {tuple(video.shape)}")
    frames, height, width = video.shape[2:]
    wanted = _fitted_size(vae, (frames, height, width))
    more_frames, below, right = wanted[0] - frames, wanted[1] - height, wanted[2] - width
    if not (more_frames or below or right):
        return video
    return F.pad(video, (0, right, 0, below, 0, more_frames), mode="replicate")


def _fitted_size(vae: VideoVAE, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """The smallest size (T, H, W) that the VAE takes and that holds such a clip."""
    frames, height, width = size
    by = vae.compression
    return (
        vae.clip_lengths.at_least(frames),
        -(-height // by.height) * by.height,
        -(-width // by.width) * by.width,
    )


def _text(size: tuple[int, ...]) -> str:
    frames, height, width = size
    return f"{frames} frames of {height}x{width} px"
