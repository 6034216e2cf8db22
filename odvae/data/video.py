"""Read and write video files. Frames are numbered from 0 in display order, whatever the format.

Reading is exact: a frame read by seeking is the frame that decoding from the start would give.
Frames are RGB uint8 as stored; a rotation flag is not applied.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain, dropwhile
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from odvae.data.index import (
    UnreadableVideo,
    VideoIndex,
    VideoInfo,
    decoded_frames,
    index_video,
    opened_video,
)
from odvae.data.pixels import to_uint8

__all__ = ["UnreadableVideo", "VideoInfo", "iter_frames", "probe", "read_frames", "write_video"]

_CRF = "17"  # x264 quality of written videos: no visible loss


def probe(path: Path) -> VideoInfo:
    """Size of a video file; its packets are counted, one frame is decoded.

    Raises:
        UnreadableVideo: not a video, no decoder for it, or no frame decodes.
    """
    return index_video(path).info


def read_frames(path: Path, start: int, *, count: int, stride: int = 1) -> NDArray[np.uint8]:
    """Read frames ``start, start + stride, ...``, ``count`` of them.

    Returns:
        uint8 (count, H, W, 3), RGB.

    Raises:
        UnreadableVideo: the file, or one of these frames, cannot be read.
    """
    frames = iter_frames(path, start, count=count, stride=stride, index=index_video(path))
    return np.stack(list(frames))


def iter_frames(
    path: Path, start: int, *, count: int, stride: int = 1, index: VideoIndex
) -> Iterator[NDArray[np.uint8]]:
    """As :func:`read_frames`, one uint8 (H, W, 3) frame at a time; ``index`` is the file's own."""
    if start < 0 or count < 1 or stride < 1:
        raise ValueError(f"bad window: start={start}, count={count}, stride={stride}")
    last = start + (count - 1) * stride
    if last >= index.info.frames:
        raise UnreadableVideo(path, f"frame {last} wanted, it has {index.info.frames}")
    converter = VideoReformatter()
    wanted = start
    with closing(_numbered_frames(path, start, index=index)) as numbered:
        for number, frame in numbered:
            if number > wanted:
                break
            if number == wanted:
                if (frame.height, frame.width) != (index.info.height, index.info.width):
                    raise UnreadableVideo(path, f"its size changes at frame {number}")
                # Converting what is wanted only: it costs as much as decoding.
                rgb = converter.reformat(frame, format="rgb24", threads=1)
                yield np.asarray(rgb.to_ndarray(), dtype=np.uint8)
                wanted += stride
            if wanted > last:
                return
    raise UnreadableVideo(path, f"frame {wanted} does not decode")


def _numbered_frames(
    path: Path, number: int, *, index: VideoIndex
) -> Generator[tuple[int, VideoFrame]]:
    """Decode from a key frame at or before frame ``number``, giving each frame its number."""
    if index.pts is None:
        with opened_video(path) as (container, stream):
            yield from enumerate(decoded_frames(container, stream))
        return
    keys = int(np.searchsorted(index.key_pts, index.pts[number], side="right"))
    key = index.key_pts[keys - 1]
    # Some containers land late, on the key frame after the one asked for. What comes out is
    # therefore checked; then one key frame earlier is tried, then the start of the file.
    for aim in (*index.key_pts[1:keys][-1:-3:-1], None):
        with opened_video(path) as (container, stream):
            if aim is not None:
                container.seek(int(aim), stream=stream)
            frames = dropwhile(
                lambda frame: frame.pts is None or frame.pts < key,
                decoded_frames(container, stream),
            )
            first = next(frames, None)
            if first is None or (first.pts != key and aim is not None):
                continue
            for frame in chain([first], frames):
                place = int(np.searchsorted(index.pts, frame.pts or 0))
                if place < index.pts.size and index.pts[place] == frame.pts:
                    yield place, frame
            return


def write_video(path: Path, pixels: Tensor, *, fps: float) -> None:
    """Write an H.264 MP4 that browsers play (yuv420p, index at the front).

    An odd height or width gets its last row or column twice, since yuv420p has even sizes only.

    Args:
        path:   the file, overwritten; its folder exists.
        pixels: (3, T, H, W) in [-1, 1].
        fps:    frames per second.
    """
    frames = to_uint8(pixels)
    height, width = frames.shape[1:3]
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"crf": _CRF})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
