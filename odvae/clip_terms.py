"""Words that data and metrics share: how clips are cut from videos, and how pixels are rounded."""

from dataclasses import dataclass
from enum import Enum

MIN_SIZE_PX = 16  # side of a clip: what SSIM's window and the perceptual networks need


class ClipStart(Enum):
    """Where in a held-out video its evaluation clips start."""

    spread = "spread"  # evenly over its time, the first at its first held-out frame
    first = "first"  # one clip a video, at its first held-out frame
    windows = "windows"  # one after the other from its first held-out frame, sharing no frame


class ResizeFilter(Enum):
    """How a video is brought to its short side."""

    bicubic_antialias = "bicubic_antialias"
    bilinear_antialias = "bilinear_antialias"
    bilinear = "bilinear"  # of four neighbours: what shrinks more than twice is aliased


class Rounding(Enum):
    """What becomes of pixels between the 256 levels before they are scored."""

    exact = "exact"  # nothing
    nearest = "nearest"
    down = "down"  # as a cast to bytes cuts them off: half a level darker on average


@dataclass(frozen=True, kw_only=True)
class ClipRules:
    """How evaluation clips are cut, beyond the numbers of a data configuration."""

    start: ClipStart = ClipStart.spread
    fps: float | None = None  # each video at the stride nearest to it; None: the configured stride
    resize: ResizeFilter = ResizeFilter.bicubic_antialias


USUAL_RULES = ClipRules()
"""Those of a run that names no protocol."""
