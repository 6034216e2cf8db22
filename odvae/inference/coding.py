"""Video to latents and back under a tiling. Tensors are (B, C, T, H, W), pixels in [-1, 1]."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from odvae.errors import UserError
from odvae.inference.seams import Seams
from odvae.inference.spatial import TileSide, apply_in_tiles, tile_seams
from odvae.inference.streaming import (
    check_streams,
    chunk_seams,
    decode_stream,
    encode_stream,
)
from odvae.inference.temporal import apply_in_groups, group_seams, joined, windows
from odvae.inference.tiling import (
    SpatialTiles,
    Stream,
    TemporalGroups,
    Tiling,
    WholeClip,
    check_tile,
)
from odvae.model import Encoding, Posterior, VideoVAE


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
    if not isinstance(tiling, WholeClip):
        _check_video(vae, video)
    parts = [*encode_pieces(vae, [video], tiling)]
    return type(parts[0])(joined([part.moments for part in parts]))


def decode(vae: VideoVAE, latents: Tensor, tiling: Tiling) -> Tensor:
    """Decode latents (B, C, t, h, w) to pixels (B, 3, T, H, W), unclamped.

    Groups and tiles are those of ``encode``: groups share one latent frame here.

    Raises:
        ValueError: latents that the VAE does not take.
        UserError: the tiling does not suit the VAE: its compression, or its operators.
    """
    return joined([*decode_pieces(vae, [latents], tiling)])


def encode_pieces(vae: VideoVAE, pieces: Iterable[Tensor], tiling: Tiling) -> Iterator[Encoding]:
    """Encode a video that comes in pieces; memory is bounded, except with ``tiling=off``.

    Args:
        vae: any video VAE.
        pieces: consecutive frames (B, 3, n, H, W) in [-1, 1], n of any size from 1, of sizes
            together that the VAE takes.
        tiling: how the video is cut, wherever its pieces meet.

    Returns:
        What ``encode`` makes of the whole, in consecutive pieces, each as soon as it is complete.

    Raises:
        UserError: the tiling does not suit the VAE: its compression, or its operators.
        ValueError: pieces that do not fit the VAE or each other, or none at all.
    """
    return _coder(vae, tiling).encode(pieces)


def decode_pieces(vae: VideoVAE, pieces: Iterable[Tensor], tiling: Tiling) -> Iterator[Tensor]:
    """Decode latents (B, C, n, h, w) that come in pieces to pieces (B, 3, n', H, W), unclamped.

    As ``encode_pieces``, the other way round.
    """
    return _coder(vae, tiling).decode(pieces)


def find_seams(vae: VideoVAE, size: tuple[int, int, int], tiling: Tiling) -> Seams:
    """Where the parts of a reconstruction meet.

    Args:
        vae: any video VAE.
        size: (T, H, W) of the clip.
        tiling: how the clip is cut.

    Raises:
        UserError: the tiling does not suit the VAE: its compression, or its operators.
    """
    return _coder(vae, tiling).seams(size)


# From the size (T, H, W) of a clip.
_SeamsOf = Callable[[tuple[int, int, int]], Seams]


@dataclass(frozen=True)
class _Coder:
    """A VAE under a tiling, on what comes in pieces."""

    encode: Callable[[Iterable[Tensor]], Iterator[Encoding]]
    decode: Callable[[Iterable[Tensor]], Iterator[Tensor]]
    seams: _SeamsOf


_OnTensor = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class _Groups:
    """Groups along time: of pixels, and of latents likewise."""

    frames: int
    latents: int


@dataclass(frozen=True, kw_only=True)
class _Tiles:
    """How a function is applied in tiles of the frames: to pixels, and to latents likewise."""

    pixels: Callable[[_OnTensor, Tensor], Tensor]
    latents: Callable[[_OnTensor, Tensor], Tensor]
    seams: _SeamsOf


def _coder(vae: VideoVAE, tiling: Tiling) -> _Coder:
    match tiling:
        case WholeClip():
            return _Coder(
                lambda pieces: map(vae.encode, _whole(pieces)),
                lambda pieces: map(vae.decode, _whole(pieces)),
                lambda size: Seams(),
            )
        case TemporalGroups(group_frames):
            return _grouped(vae, _groups(vae, group_frames), _untiled())
        case SpatialTiles(group_frames):
            return _grouped(vae, _groups(vae, group_frames), _tiles(vae, tiling))
        case Stream(chunk_frames):
            return _streaming(vae, chunk_frames)
    raise TypeError(f"tiling must be made by Tiling, got {tiling!r}")


def _whole(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """All pieces as one, once it is asked for."""
    yield joined([*pieces])


def _grouped(vae: VideoVAE, groups: _Groups, tiles: _Tiles) -> _Coder:
    def encode_in_parts(pieces: Iterable[Tensor]) -> Iterator[Encoding]:
        kinds: set[type[Encoding]] = set()  # has one

        def moments(part: Tensor) -> Tensor:
            encoding = vae.encode(part)
            kinds.add(type(encoding))
            return encoding.moments

        tiled = partial(tiles.pixels, moments)
        for part in apply_in_groups(tiled, pieces, group=groups.frames):
            (kind,) = kinds
            yield kind(part)

    def decode_in_parts(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        return apply_in_groups(partial(tiles.latents, vae.decode), pieces, group=groups.latents)

    return _Coder(
        encode_in_parts,
        decode_in_parts,
        lambda size: group_seams(size[0], group=groups.frames).with_those_of(tiles.seams(size)),
    )


def _groups(vae: VideoVAE, group_frames: int) -> _Groups:
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
    return _Groups(frames=group_frames, latents=1 + (group_frames - 1) // time)


def _untiled() -> _Tiles:
    """Frames are left whole."""
    return _Tiles(
        pixels=lambda fn, x: fn(x), latents=lambda fn, x: fn(x), seams=lambda size: Seams()
    )


def _tiles(vae: VideoVAE, tiling: SpatialTiles) -> _Tiles:
    by, px = vae.compression, (tiling.tile_px, tiling.overlap_px)
    for side in (by.height, by.width):
        check_tile(tiling.tile_px, tiling.overlap, compression=side)
    rows = TileSide.of_pixels(*px, compression=by.height)
    columns = TileSide.of_pixels(*px, compression=by.width)
    return _Tiles(
        pixels=partial(apply_in_tiles, rows=rows, columns=columns),
        latents=partial(
            apply_in_tiles,
            rows=TileSide.of_latents(*px, compression=by.height),
            columns=TileSide.of_latents(*px, compression=by.width),
        ),
        seams=lambda size: tile_seams(*size[1:], rows=rows, columns=columns),
    )


def _streaming(vae: VideoVAE, chunk_frames: int) -> _Coder:
    check_streams(vae)
    chunk_latents = max(1, chunk_frames // vae.compression.time)
    return _Coder(
        lambda pieces: map(Posterior, encode_stream(vae, windows(pieces, chunk_frames))),
        lambda pieces: decode_stream(vae, windows(pieces, chunk_latents)),
        lambda size: chunk_seams(size[0], chunk_frames=chunk_frames),
    )


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
