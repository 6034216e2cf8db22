"""How a clip is cut before it goes through the network, as plain data."""

from dataclasses import dataclass, fields
from enum import Enum

from odvae.errors import UserError
from odvae.model.architecture import SPACE_COMPRESSION, TIME_COMPRESSION

GROUP_FRAMES = 33  # the paper's group: 9 latents
TILE_PX = 256  # the released model's tile, and its overlap
OVERLAP = 0.125
CHUNK_FRAMES = 16

_MAX_OVERLAP = 0.5  # beyond it, a pixel would lie in more than two tiles of a side


@dataclass(frozen=True)
class Tiling:
    """How a clip is cut. Made by ``Tiling.off()``, ``Tiling.temporal(...)`` and so on."""

    @staticmethod
    def off() -> "WholeClip":
        """The clip goes through in one piece."""
        return WholeClip()

    @staticmethod
    def temporal(group_frames: int = GROUP_FRAMES) -> "TemporalGroups":
        """Groups of 4m+1 frames that share one frame with their neighbour (paper section 3.3).

        Raises:
            UserError: ``group_frames`` is not 4m+1, or less than 5.
        """
        return TemporalGroups(group_frames)

    @staticmethod
    def spatiotemporal(
        group_frames: int = GROUP_FRAMES, *, tile_px: int = TILE_PX, overlap: float = OVERLAP
    ) -> "SpatialTiles":
        """Groups of frames as in ``temporal``, and in each of them tiles that fade into each other.

        Args:
            group_frames: frames of a group, 4m+1.
            tile_px: side of a tile, a multiple of 8.
            overlap: part of a tile's side that it shares with the next tile, 0 to 0.5. What is
                shared, ``tile_px * overlap``, is a multiple of 8 px: whole latents.

        Raises:
            UserError: a number that is not as above.
        """
        return SpatialTiles(group_frames, tile_px, overlap)

    @staticmethod
    def stream(chunk_frames: int = CHUNK_FRAMES) -> "Stream":
        """Chunks of any number of frames, with the state of the network carried on: exact.

        Raises:
            UserError: ``chunk_frames`` is less than 1.
        """
        return Stream(chunk_frames)


@dataclass(frozen=True)
class WholeClip(Tiling):
    """No tiling."""


@dataclass(frozen=True)
class TemporalGroups(Tiling):
    """Groups along time; the last one may be shorter."""

    group_frames: int

    def __post_init__(self) -> None:
        _check_group(self.group_frames)


@dataclass(frozen=True)
class SpatialTiles(Tiling):
    """Square tiles within groups along time; the last ones of a side may be shorter."""

    group_frames: int
    tile_px: int
    overlap: float

    def __post_init__(self) -> None:
        _check_group(self.group_frames)
        check_tile(self.tile_px, self.overlap, compression=SPACE_COMPRESSION)

    @property
    def overlap_px(self) -> int:
        """Pixels of a side that a tile shares with the next one."""
        return round(self.tile_px * self.overlap)


@dataclass(frozen=True)
class Stream(Tiling):
    """Chunks along time; the last one may be shorter."""

    chunk_frames: int

    def __post_init__(self) -> None:
        _check_chunk(self.chunk_frames)


class TilingMode(Enum):
    """The ways to cut a clip."""

    off = "off"  # not at all: exact, and the memory grows with the clip
    temporal = "temporal"  # groups of frames: bounded memory, approximate at their borders
    spatiotemporal = "spatiotemporal"  # also tiles of each frame: for large frames
    stream = "stream"  # chunks with carried state: bounded memory, exact, for strict operators


_TILINGS: dict[TilingMode, type[Tiling]] = {
    TilingMode.off: WholeClip,
    TilingMode.temporal: TemporalGroups,
    TilingMode.spatiotemporal: SpatialTiles,
    TilingMode.stream: Stream,
}


@dataclass(kw_only=True)
class TilingConfig:
    """What a run can say about tiling.

    Raises:
        UserError: a field is out of range.
    """

    mode: TilingMode = TilingMode.off
    group_frames: int = GROUP_FRAMES  # frames of a group, 4m+1; for (spatio)temporal
    tile_px: int = TILE_PX  # side of a tile, a multiple of 8; for spatiotemporal
    overlap: float = OVERLAP  # shared part of a tile's side, 0 to 0.5; for spatiotemporal
    chunk_frames: int = CHUNK_FRAMES  # frames handed in at a time; for stream
    certificate: bool = True  # compare with the whole clip at last; takes that clip's memory

    def __post_init__(self) -> None:
        _check_group(self.group_frames)
        check_tile(self.tile_px, self.overlap, compression=SPACE_COMPRESSION)
        _check_chunk(self.chunk_frames)

    def build(self) -> Tiling:
        """The tiling that the fields describe."""
        match self.mode:
            case TilingMode.off:
                return Tiling.off()
            case TilingMode.temporal:
                return Tiling.temporal(self.group_frames)
            case TilingMode.spatiotemporal:
                return Tiling.spatiotemporal(
                    self.group_frames, tile_px=self.tile_px, overlap=self.overlap
                )
            case TilingMode.stream:
                return Tiling.stream(self.chunk_frames)

    def unread(self) -> set[str]:
        """The fields that mean nothing in this mode."""
        if self.mode is TilingMode.off:
            return {field.name for field in fields(self)} - {"mode"}
        read = {field.name for field in fields(_TILINGS[self.mode])} | {"mode", "certificate"}
        return {field.name for field in fields(self)} - read


def check_tile(tile_px: int, overlap: float, *, compression: int) -> None:
    """Refuse tiles that are not whole latents, or do not overlap by whole latents.

    Args:
        tile_px: side of a tile.
        overlap: part of it that is shared with the next tile.
        compression: pixels of a side per latent.

    Raises:
        UserError: naming the field.
    """
    if tile_px < compression or tile_px % compression:
        raise UserError(
            f"tiling.tile_px must be a multiple of {compression} (pixels per latent), got {tile_px}"
        )
    latents = tile_px * overlap / compression
    if not (0 <= overlap <= _MAX_OVERLAP and abs(latents - round(latents)) < 1e-6):
        raise UserError(
            f"tiling.overlap must be 0 to {_MAX_OVERLAP} in steps of {compression}/{tile_px} = "
            f"{compression / tile_px:g}, whole latents of tiling.tile_px={tile_px}, got {overlap}"
        )


def _check_group(group_frames: int) -> None:
    if group_frames <= TIME_COMPRESSION or group_frames % TIME_COMPRESSION != 1:
        raise UserError(f"tiling.group_frames must be 4m+1 (5, 9, ...), got {group_frames}")


def _check_chunk(chunk_frames: int) -> None:
    if chunk_frames < 1:
        raise UserError(f"tiling.chunk_frames must be at least 1, got {chunk_frames}")
