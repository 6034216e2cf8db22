"""Clips of any size through any VAE: padded to a size it takes, cropped back to their own."""

import torch.nn.functional as F
from torch import Tensor

from odvae.inference.coding import decode, encode
from odvae.inference.tiling import Tiling
from odvae.model import VideoVAE


def reconstruct(vae: VideoVAE, video: Tensor, tiling: Tiling) -> Tensor:
    """Encode and decode a clip, by the mode of its posterior; the size of the clip comes back.

    A VAE that would cut a length or a side gets the last frame, row and column repeated instead.

    Args:
        vae: any video VAE.
        video: (B, 3, T, H, W) in [-1, 1], of any size.
        tiling: how the clip is cut.

    Returns:
        (B, 3, T, H, W), unclamped.
    """
    latents = encode(vae, fitted(vae, video), tiling).mode()
    frames, height, width = video.shape[2:]
    return decode(vae, latents, tiling)[:, :, :frames, :height, :width]


def fitted(vae: VideoVAE, video: Tensor) -> Tensor:
    """Repeat the last frame, row and column of (B, 3, T, H, W) up to a size that the VAE takes."""
    frames, height, width = video.shape[2:]
    more_frames = vae.clip_lengths.at_least(frames) - frames
    below, right = -height % vae.compression.height, -width % vae.compression.width
    if not (more_frames or below or right):
        return video
    return F.pad(video, (0, right, 0, below, 0, more_frames), mode="replicate")
