"""Video to latents and back under a tiling. Tensors are (B, C, T, H, W), pixels in [-1, 1]."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from odvae.errors import UserError
from odvae.inference.spatial import TileSide, apply_in_tiles
from odvae.inference.streaming import check_streams, streamed_decode, streamed_encode
from odvae.inference.temporal import apply_in_groups
from odvae.inference.tiling import (
    SpatialTiles,
    Stream,
    TemporalGroups,
    Tiling,
    WholeClip,
    check_tile,
)
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
        UserError: the tiling does not suit the VAE: its compression, or its operators.
    """
    return _coder(vae, tiling).encode(video)


def decode(vae: VideoVAE, latents: Tensor, tiling: Tiling) -> Tensor:
    """Decode latents (B, C, t, h, w) to pixels (B, 3, T, H, W), unclamped.

    Groups and tiles are those of ``encode``: groups share one latent frame here.

    Raises:
        ValueError: latents that the VAE does not take.
        UserError: the tiling does not suit the VAE: its compression, or its operators.
    """
    return _coder(vae, tiling).decode(latents)


@dataclass(frozen=True)
class _Coder:
    """A VAE under a tiling."""

    encode: Callable[[Tensor], Encoding]
    decode: Callable[[Tensor], Tensor]


# Applies a function to a tensor part by part, and joins the results.
_InParts = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One way to cut a clip: its pixels, and its latents likewise."""

    pixels: _InParts
    latents: _InParts

    def then(self, inner: "_Cut") -> "_Cut":
        """Each part is cut again."""
        return _Cut(
            pixels=lambda fn, x: self.pixels(partial(inner.pixels, fn), x),
            latents=lambda fn, x: self.latents(partial(inner.latents, fn), x),
        )


def _coder(vae: VideoVAE, tiling: Tiling) -> _Coder:
    match tiling:
        case WholeClip():
            return _Coder(vae.encode, vae.decode)
        case TemporalGroups(group_frames):
            return _in_parts(vae, _groups(vae, group_frames))
        case SpatialTiles(group_frames):
            return _in_parts(vae, _groups(vae, group_frames).then(_tiles(vae, tiling)))
        case Stream(chunk_frames):
            return _streaming(vae, chunk_frames)
    raise TypeError(f"tiling must be made by Tiling, got {tiling!r}")


def _in_parts(vae: VideoVAE, cut: _Cut) -> _Coder:
    def encode_in_parts(video: Tensor) -> Encoding:
        _check_video(vae, video)
        kinds: list[type[Encoding]] = []

        def moments(part: Tensor) -> Tensor:
            encoding = vae.encode(part)
            kinds.append(type(encoding))
            return encoding.moments

        joined = cut.pixels(moments, video)
        return kinds[0](joined)

    return _Coder(encode_in_parts, partial(cut.latents, vae.decode))


def _groups(vae: VideoVAE, group_frames: int) -> _Cut:
    time, lengths = vae.compression.time, vae.clip_lengths
    if lengths.first != 1:
        raise UserError(
            f"groups of frames need a model that codes frame 0 by itself; this one takes "
            f"T = {lengths} frames: tiling=off"
        )
    if not lengths.takes(group_frames) or (group_frames - 1) % time:
        raise UserError(
            f"tiling.group_frames must be {max(time, lengths.step)}m+1 for this model, which "
            f"compresses time {time} times and takes T = {lengths} frames, got {group_frames}"
        )
    group_latents = 1 + (group_frames - 1) // time
    return _Cut(
        pixels=partial(apply_in_groups, group=group_frames),
        latents=partial(apply_in_groups, group=group_latents),
    )


def _tiles(vae: VideoVAE, tiling: SpatialTiles) -> _Cut:
    by, px = vae.compression, (tiling.tile_px, tiling.overlap_px)
    for side in (by.height, by.width):
        check_tile(tiling.tile_px, tiling.overlap, compression=side)
    return _Cut(
        pixels=partial(
            apply_in_tiles,
            rows=TileSide.of_pixels(*px, compression=by.height),
            columns=TileSide.of_pixels(*px, compression=by.width),
        ),
        latents=partial(
            apply_in_tiles,
            rows=TileSide.of_latents(*px, compression=by.height),
            columns=TileSide.of_latents(*px, compression=by.width),
        ),
    )


def _streaming(vae: VideoVAE, chunk_frames: int) -> _Coder:
    check_streams(vae)
    chunk_latents = max(1, chunk_frames // vae.compression.time)

    def encode_streamed(video: Tensor) -> Encoding:
        _check_video(vae, video)
        return streamed_encode(vae, video, chunk_frames=chunk_frames)

    return _Coder(encode_streamed, partial(streamed_decode, vae, chunk_latents=chunk_latents))


def _check_video(vae: VideoVAE, video: Tensor) -> None:
    """Name the clip's sizes: the VAE would name those of one of its parts."""
    if video.ndim != 5 or not vae.clip_lengths.takes(video.shape[2]):
        raise ValueError(
            f"video must be (B, 3, T, H, W) with T = {vae.clip_lengths}, got {tuple(video.shape)}"
        )
    height, width = video.shape[3:]
    by = vae.compression
    if height % by.height or width % by.width:
        raise ValueError(
            f"height and width must be multiples of {by.height} and {by.width}, "
            f"got {height}x{width}"
        )
