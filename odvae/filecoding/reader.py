"""The frames of a video file with their times, once from first to last.

Nothing is counted or listed ahead: memory does not depend on the length of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from odvae.data.index import FALLBACK_FPS, UnreadableVideo, decoded_frames, opened_video
from odvae.errors import UserError

_US = 1_000_000  # a container's times are in microseconds


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How the frames of a video follow each other."""

    rate: Fraction  # frames per second; nominal where they vary
    time_base: Fraction  # seconds a tick, the unit of ``pts``

    @property
    def ticks(self) -> int:
        """Ticks that a frame lasts at the nominal rate, at least 1."""
        return max(1, round(1 / (self.rate * self.time_base)))


@dataclass(frozen=True, kw_only=True)
class Footage:
    """What is known about a video before its frames are decoded; upright, as players show it."""

    path: Path
    height_px: int
    width_px: int
    pixel_aspect: Fraction  # width of a pixel to its height
    timing: Timing
    quarter_turns: int  # counter-clockwise, from the frames as stored
    about_frames: int | None  # what the container says, for a progress bar only


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame and when it is shown."""

    rgb: NDArray[np.uint8]  # (H, W, 3)
    pts: int  # in ticks


def look_at(path: Path) -> Footage:
    """Open a video and decode its first frame.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    try:
        with opened_video(path) as (container, stream):
            first = next(decoded_frames(container, stream), None)
            if first is None:
                raise UnreadableVideo(path, "no frame decodes")
            return _footage(path, container, stream, first)
    except UnreadableVideo as error:
        raise UserError(str(error)) from error


def read(footage: Footage) -> Iterator[Frame]:
    """Decode all frames in the order they are shown, upright. Frames that do not decode are left
    out, and the times of the others stay.

    Times count from the start of the file if that lies after 0. A frame without a time, or with
    one that is not later than that of the frame before, comes one nominal frame after that.

    Raises:
        UserError: the file cannot be read further, or its size changes.
    """
    converter, ticks, last_pts = VideoReformatter(), footage.timing.ticks, None
    try:
        with opened_video(footage.path) as (container, stream):
            start = round(Fraction(start_us(container), _US) / footage.timing.time_base)
            for frame in decoded_frames(container, stream):
                pts = None if frame.pts is None else frame.pts - start
                if last_pts is not None and (pts is None or pts <= last_pts):
                    pts = last_pts + ticks
                last_pts = pts or 0
                rgb = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
                upright = np.rot90(rgb, footage.quarter_turns)
                if upright.shape != (footage.height_px, footage.width_px, 3):
                    raise UnreadableVideo(footage.path, "its size changes on the way")
                yield Frame(np.ascontiguousarray(upright, dtype=np.uint8), last_pts)
    except UnreadableVideo as error:
        raise UserError(str(error)) from error


def start_us(container: InputContainer) -> int:
    """Where a file starts, in microseconds; a start before 0 counts as 0."""
    return max(0, container.start_time or 0)


def _footage(
    path: Path, container: InputContainer, stream: VideoStream, first: VideoFrame
) -> Footage:
    quarter_turns = round(first.rotation / 90) % 4
    height_px, width_px = first.height, first.width
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if quarter_turns % 2:
        height_px, width_px, aspect = width_px, height_px, 1 / aspect
    rate = stream.average_rate or stream.guessed_rate or Fraction(FALLBACK_FPS)
    duration_s = Fraction(container.duration or 0, _US)
    return Footage(
        path=path,
        height_px=height_px,
        width_px=width_px,
        pixel_aspect=aspect,
        timing=Timing(rate=rate, time_base=stream.time_base or 1 / rate),
        quarter_turns=quarter_turns,
        about_frames=stream.frames or round(duration_s * rate) or None,
    )
