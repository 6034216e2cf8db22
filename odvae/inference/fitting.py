"""Clips of any size through any VAE: padded to a size it takes, cropped back to their own.

Tensors are (B, C, T, H, W), pixels in [-1, 1].
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from odvae.inference.coding import decode, decode_pieces, encode, encode_pieces
from odvae.inference.temporal import continued, joined
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


def encode_video_pieces(
    vae: VideoVAE, pieces: Iterable[Tensor], tiling: Tiling
) -> Iterator[Tensor]:
    """Encode a video of any size that comes in pieces; memory is bounded, except with ``off``.

    Args:
        vae: any video VAE.
        pieces: consecutive frames (1, 3, n, H, W) in [-1, 1], n of any size from 1.
        tiling: how the video is cut, wherever its pieces meet.

    Returns:
        Consecutive pieces (1, C, n', h, w) of the latents of the padded video, by the mode of
        their posterior. Joined, they are those of ``encode_video``.

    Raises:
        UserError: the tiling does not suit the VAE.
        ValueError: not such pieces, or none at all.
    """
    return (part.mode() for part in encode_pieces(vae, _fitted_pieces(vae, pieces), tiling))


def decode_video_pieces(
    vae: VideoVAE, latents: Iterable[Tensor], tiling: Tiling, *, height_px: int, width_px: int
) -> Iterator[Tensor]:
    """Decode what ``encode_video_pieces`` made, to frames of their own height and width.

    Returns:
        Consecutive pieces (1, 3, n, H, W), unclamped. The repeated frames at the end are for the
        caller to drop, who knows how many frames went in, perhaps only by then.

    Raises:
        UserError: the tiling does not suit the VAE.
        ValueError: latents that the VAE does not take.
    """
    for piece in decode_pieces(vae, latents, tiling):
        yield piece[..., :height_px, :width_px]


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
    return joined([*_fitted_pieces(vae, [video])])


def _fitted_pieces(vae: VideoVAE, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """``fitted``, piece by piece: the repeated frames are a piece of their own."""
    return continued((_fitted_frames(vae, piece) for piece in pieces), vae.clip_lengths)


def _fitted_frames(vae: VideoVAE, video: Tensor) -> Tensor:
    """The last row and column of (B, 3, T, H, W) repeated."""
    if video.ndim != 5 or 0 in video.shape:
        raise ValueError(f"video must be (B, 3, T, H, W), none of them 0, got {tuple(video.shape)}")
    frames, height, width = video.shape[2:]
    _, wanted_height, wanted_width = _fitted_size(vae, (frames, height, width))
    below, right = wanted_height - height, wanted_width - width
    return F.pad(video, (0, right, 0, below, 0, 0), "replicate") if below or right else video


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
