"""Find out which frames a video file holds, without decoding it.

The container's own frame count is never used: it is 0 in Matroska and wrong in a file that was cut
off. The packets are counted instead, which reads the file but decodes one frame only.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, dropwhile
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

FALLBACK_FPS = 25.0  # for a file that names no frame rate

# A half-written last packet is dropped; a file may not make us read the network.
_DEMUX_OPTIONS = {"fflags": "+discardcorrupt", "protocol_whitelist": "file"}

# Decoders that tell a frame which no other refers to, and can pass over it without changing the
# others. H.264 says so of each frame (7.4.1, nal_ref_idc); what HEVC says is true of some layers.
_MARKING_UNREFERENCED = {"h264"}


class UnreadableVideo(Exception):
    """A file, or a frame of it, that cannot be read.

    Attributes:
        path:   the file.
        reason: why, in one line.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class VideoInfo:
    """Size of a video: frames that the file holds, frames per second, height and width in px."""

    frames: int
    fps: float
    height: int
    width: int


class FrameIndex(Protocol):
    """Where the frames of one video are, whatever it is stored as."""

    @property
    def info(self) -> VideoInfo:
        """Its size."""

    def numbered_frames(
        self, path: Path, start: int, *, stride: int
    ) -> Generator[tuple[int, VideoFrame]]:
        """Decode the video at ``path``: its frames with their numbers, the numbers increasing.

        At least ``start, start + stride, ...`` are given, except those that do not decode.

        Raises:
            UnreadableVideo: the video cannot be read.
        """


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """Where the frames of a file are.

    Attributes:
        info:    its size.
        pts:     (frames,) int64, presentation times in stream ticks, increasing. None when the file
                 has none to trust; such a file can only be decoded from its start.
        key_pts: int64, those of the key frames, increasing; empty when ``pts`` is None.
    """

    info: VideoInfo
    pts: NDArray[np.int64] | None
    key_pts: NDArray[np.int64]

    def numbered_frames(
        self, path: Path, start: int, *, stride: int
    ) -> Generator[tuple[int, VideoFrame]]:
        """Decode from a key frame at or before ``start`` on, all that the frames asked for need."""
        if self.pts is None:
            with opened_video(path) as (container, stream):
                yield from enumerate(decoded_frames(container, stream))
            return
        pts = self.pts
        keys = int(np.searchsorted(self.key_pts, pts[start], side="right"))
        key = self.key_pts[keys - 1]

        def is_wanted(time: int) -> bool:
            steps, rest = divmod(int(np.searchsorted(pts, time)) - start, stride)
            return (steps >= 0 and rest == 0) or time == key

        # Some containers land late, on the key frame after the one asked for. What comes out is
        # therefore checked; then one key frame earlier is tried, then the start of the file.
        for aim in (*self.key_pts[1:keys][-1:-3:-1], None):
            with opened_video(path) as (container, stream):
                if aim is not None:
                    container.seek(int(aim), stream=stream)
                frames = dropwhile(
                    lambda frame: frame.pts is None or frame.pts < key,
                    decoded_frames(container, stream, is_wanted=is_wanted),
                )
                first = next(frames, None)
                if first is None or (first.pts != key and aim is not None):
                    continue
                for frame in chain([first], frames):
                    place = int(np.searchsorted(pts, frame.pts or 0))
                    if place < pts.size and pts[place] == frame.pts:
                        yield place, frame
                return


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its main video stream; any failure of FFmpeg inside is UnreadableVideo."""
    try:
        with av.open(
            f"file:{path}", options=_DEMUX_OPTIONS, metadata_errors="replace"
        ) as container:
            stream = container.streams.best("video")  # passes over cover art
            if not isinstance(stream, VideoStream):
                raise UnreadableVideo(path, "no video stream")
            if stream.codec_context is None:
                raise UnreadableVideo(path, "no decoder for its video stream")
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableVideo(path, error.strerror or str(error)) from error


def decoded_frames(
    container: InputContainer,
    stream: VideoStream,
    *,
    is_wanted: Callable[[int], bool] = lambda pts: True,
) -> Iterator[VideoFrame]:
    """Decode from where the container stands to its end, in display order.

    A packet that does not decode, or a frame that the decoder had to make up in part, leaves a gap;
    the caller sees it in the frames' ``pts``.

    Args:
        is_wanted: by its pts. A frame that is not wanted may be left out.
    """
    for packet in _packets(container, stream):
        if stream.codec_context.name in _MARKING_UNREFERENCED:
            needed = packet.pts is None or is_wanted(packet.pts)
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        yield from _decoded(packet)
    yield from stream.decode(None)  # the frames that the decoder still holds back


def index_video(path: Path) -> VideoIndex:
    """List the frames of a file.

    A file without usable time stamps (some AVI) is decoded once to count its frames.

    Raises:
        UnreadableVideo: not a video, no decoder for it, or no frame decodes.
    """
    packets: list[tuple[int | None, bool, bool]] = []
    first: VideoFrame | None = None
    with opened_video(path) as (container, stream):
        for packet in _packets(container, stream):
            packets.append((packet.pts, packet.is_keyframe, packet.is_discard))
            if first is None:
                first = next(_decoded(packet), None)
        if first is None:  # a decoder may hold back all of a few frames
            first = next(iter(stream.decode(None)), None)
        fps = float(stream.average_rate or stream.guessed_rate or FALLBACK_FPS)
        times = _frame_times(packets, reordered=stream.has_b_frames)
    if first is None:
        raise UnreadableVideo(path, "no frame decodes")
    if times is not None and first.pts == times[0][0]:
        pts, key_pts = times
        return VideoIndex(VideoInfo(pts.size, fps, first.height, first.width), pts, key_pts)
    with opened_video(path) as (container, stream):
        frames = sum(1 for _ in decoded_frames(container, stream))
    none = np.empty(0, dtype=np.int64)
    return VideoIndex(VideoInfo(frames, fps, first.height, first.width), None, none)


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[av.Packet[VideoStream]]":
    """Packets with content, to the end or to where a cut-off file stops making sense."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # an empty packet would tell the decoder to stop
                yield packet
    except av.error.InvalidDataError:
        return


def _decoded(packet: "av.Packet[VideoStream]") -> Iterator[VideoFrame]:
    """The sound frames that the decoder hands out once it has this packet."""
    try:
        frames = packet.decode()
    except av.error.InvalidDataError:
        return
    yield from (frame for frame in frames if not frame.is_corrupt)


def _frame_times(
    packets: list[tuple[int | None, bool, bool]], *, reordered: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """``(pts, key_pts)`` from (pts, is key, is discarded) of each packet, None if unusable."""
    usable = list(dropwhile(lambda packet: not packet[1], packets))
    if not usable or any(pts is None for pts, _, _ in usable):
        return None
    coded = np.array([pts for pts, _, _ in usable], dtype=np.int64)
    key_pts = coded[[key for _, key, _ in usable]]
    shown = ~np.array([discarded for _, _, discarded in usable]) & (coded >= key_pts[0])
    pts = np.sort(coded[shown])
    if pts.size == 0 or np.any(np.diff(pts) == 0) or np.any(np.diff(key_pts) <= 0):
        return None
    if reordered and coded.size > 1 and np.all(np.diff(coded) > 0):
        return None  # H.264 in AVI: times in coded order, which is not the order of display
    return pts, key_pts
