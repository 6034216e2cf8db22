"""Video to latents and back under a tiling. Tensors are (B, C, T, H, W), pixels in [-1, 1]."""

from torch import Tensor

from odvae.errors import UserError
from odvae.inference.temporal import apply_in_groups
from odvae.inference.tiling import TemporalGroups, Tiling, WholeClip
from odvae.inference.video_vae import VideoVAE
from odvae.model import Posterior


def encode(vae: VideoVAE, video: Tensor, tiling: Tiling) -> Posterior:
    """Encode a clip.

    Args:
        vae: any video VAE; gradients and the train/eval mode are the caller's business.
        video: (B, 3, T, H, W) in [-1, 1], of sizes that the VAE takes.
        tiling: how the clip is cut.

    Returns:
        The posterior of latents (B, C, 1 + (T - 1) / c_t, H / c_s, W / c_s).

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
            moments = apply_in_groups(lambda x: vae.encode(x).moments, video, group=group_frames)
            return Posterior(moments)
    raise TypeError(f"tiling must be made by Tiling, got {tiling!r}")


def decode(vae: VideoVAE, latents: Tensor, tiling: Tiling) -> Tensor:
    """Decode latents (B, C, t, h, w) to pixels (B, 3, 1 + c_t (t - 1), c_s h, c_s w), unclamped.

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
            group_latents = 1 + (group_frames - 1) // vae.time_compression
            return apply_in_groups(vae.decode, latents, group=group_latents)
    raise TypeError(f"tiling must be made by Tiling, got {tiling!r}")


def _check_groups(vae: VideoVAE, group_frames: int) -> None:
    time = vae.time_compression
    if (group_frames - 1) % time:
        raise UserError(
            f"tiling.group_frames must be {time}m+1 for a model that compresses time {time} times, "
            f"got {group_frames}"
        )


def _check_frames(vae: VideoVAE, video: Tensor) -> None:
    """Name the clip's length: the VAE would name that of its last group."""
    time = vae.time_compression
    if video.ndim != 5 or (video.shape[2] - 1) % time:
        raise ValueError(
            f"video must be (B, 3, T, H, W) with T = {time}k+1 (1, {1 + time}, ...), "
            f"got {tuple(video.shape)}"
        )
