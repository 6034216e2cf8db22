"""How a clip is cut before it goes through the network, as plain data."""

from dataclasses import dataclass
from enum import Enum

from odvae.errors import UserError
from odvae.model.architecture import TIME_COMPRESSION

GROUP_FRAMES = 33  # the paper's group: 9 latents


@dataclass(frozen=True)
class Tiling:
    """How a clip is cut. Made by ``Tiling.off()`` or ``Tiling.temporal(...)``."""

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


@dataclass(frozen=True)
class WholeClip(Tiling):
    """No tiling."""


@dataclass(frozen=True)
class TemporalGroups(Tiling):
    """Groups along time; the last one may be shorter."""

    group_frames: int

    def __post_init__(self) -> None:
        _check_group(self.group_frames)


class TilingMode(Enum):
    """The ways to cut a clip."""

    off = "off"  # not at all: exact, and the memory grows with the clip
    temporal = "temporal"  # groups of frames: bounded memory, approximate at their borders


@dataclass(kw_only=True)
class TilingConfig:
    """What a run can say about tiling.

    Raises:
        UserError: a field is out of range.
    """

    mode: TilingMode = TilingMode.off
    group_frames: int = GROUP_FRAMES  # frames of a group, 4m+1; for mode=temporal

    def __post_init__(self) -> None:
        _check_group(self.group_frames)

    def build(self) -> Tiling:
        """The tiling that the fields describe."""
        match self.mode:
            case TilingMode.off:
                return Tiling.off()
            case TilingMode.temporal:
                return Tiling.temporal(self.group_frames)


def _check_group(group_frames: int) -> None:
    if group_frames <= TIME_COMPRESSION or group_frames % TIME_COMPRESSION != 1:
        raise UserError(f"tiling.group_frames must be 4m+1 (5, 9, ...), got {group_frames}")
