"""Video to latents and back under a tiling. Tensors are (B, C, T, H, W), pixels in [-1, 1]."""

from dataclasses import replace

from torch import Tensor

from odvae.errors import UserError
from odvae.inference.temporal import apply_in_groups
from odvae.inference.tiling import TemporalGroups, Tiling, WholeClip
from odvae.model import Encoding, VideoVAE


def encode(vae: VideoVAE, video: Tensor, tiling: Tiling) -> Encoding:
    """Encode a clip.

    Args:
        vae: any video VAE; gradients and the train/eval mode are the caller's business.
        video: (B, 3, T, H, W) in [-1, 1], of sizes that the VAE takes.
        tiling: how the clip is cut.

    Returns:
        The posterior, or what the VAE has instead, of latents (B, C, t, h, w).

    Raises:
        ValueError: a size that the VAE would have to cut.
        UserError: the groups of the tiling do not suit the VAE's compression of time.
    """
    match tiling:
        case WholeClip():
            return vae.encode(video)
        case TemporalGroups(group_frames):
            _check_groups(vae, group_frames)
            _check_frames(vae, video)
            return _encode_in_groups(vae, video, group_frames)
    raise TypeError(f"tiling must be made by Tiling, got {tiling!r}")


def decode(vae: VideoVAE, latents: Tensor, tiling: Tiling) -> Tensor:
    """Decode latents (B, C, t, h, w) to pixels (B, 3, T, H, W), unclamped.

    The groups of frames are those of ``encode``: they share one latent frame here.

    Raises:
        ValueError: latents that the VAE does not take.
        UserError: the groups of the tiling do not suit the VAE's compression of time.
    """
    match tiling:
        case WholeClip():
            return vae.decode(latents)
        case TemporalGroups(group_frames):
            _check_groups(vae, group_frames)
            group_latents = 1 + (group_frames - 1) // vae.compression.time
            return apply_in_groups(vae.decode, latents, group=group_latents)
    raise TypeError(f"tiling must be made by Tiling, got {tiling!r}")


def _encode_in_groups(vae: VideoVAE, video: Tensor, group_frames: int) -> Encoding:
    encodings: list[Encoding] = []

    def moments(group: Tensor) -> Tensor:
        encodings.append(vae.encode(group))
        return encodings[-1].moments

    joined = apply_in_groups(moments, video, group=group_frames)
    return replace(encodings[0], moments=joined)


def _check_groups(vae: VideoVAE, group_frames: int) -> None:
    time, lengths = vae.compression.time, vae.clip_lengths
    if lengths.first != 1:
        raise UserError(
            f"tiling=temporal needs a model that codes frame 0 by itself; this one takes "
            f"T = {lengths} frames: tiling=off"
        )
    if not lengths.takes(group_frames) or (group_frames - 1) % time:
        raise UserError(
            f"tiling.group_frames must be {max(time, lengths.step)}m+1 for this model, which "
            f"compresses time {time} times and takes T = {lengths} frames, got {group_frames}"
        )


def _check_frames(vae: VideoVAE, video: Tensor) -> None:
    """Name the clip's length: the VAE would name that of its last group."""
    if video.ndim != 5 or not vae.clip_lengths.takes(video.shape[2]):
        raise ValueError(
            f"video must be (B, 3, T, H, W) with T = {vae.clip_lengths}, got {tuple(video.shape)}"
        )
