"""Read and write videos. Frames are numbered from 0 in display order, whatever the format.

A video is a file, or a folder of frames. Reading is exact: a frame read by seeking is the frame
that decoding from the start would give. Frames are RGB uint8 as stored; a rotation flag is not
applied.
"""

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from odvae.data.frame_folder import index_frame_folder
from odvae.data.index import FrameIndex, UnreadableVideo, VideoInfo, index_video
from odvae.data.pixels import to_uint8

__all__ = [
    "UnreadableVideo",
    "VideoInfo",
    "index_frames",
    "iter_frames",
    "probe",
    "read_frames",
    "write_video",
]

_CRF = "17"  # x264 quality of written videos: no visible loss


def index_frames(path: Path) -> FrameIndex:
    """List the frames of a video file or of a folder of frames; one frame is decoded.

    Raises:
        UnreadableVideo: not a video, no decoder for it, or no frame decodes.
    """
    return index_frame_folder(path) if path.is_dir() else index_video(path)


def probe(path: Path) -> VideoInfo:
    """Size of a video: as :func:`index_frames`."""
    return index_frames(path).info


def read_frames(path: Path, start: int, *, count: int, stride: int = 1) -> NDArray[np.uint8]:
    """Read frames ``start, start + stride, ...``, ``count`` of them.

    Returns:
        uint8 (count, H, W, 3), RGB.

    Raises:
        UnreadableVideo: the video, or one of these frames, cannot be read.
    """
    frames = iter_frames(path, start, count=count, stride=stride, index=index_frames(path))
    return np.stack(list(frames))


def iter_frames(
    path: Path, start: int, *, count: int, stride: int = 1, index: FrameIndex
) -> Iterator[NDArray[np.uint8]]:
    """As :func:`read_frames`, one uint8 (H, W, 3) frame at a time; ``index`` is the file's own."""
    if start < 0 or count < 1 or stride < 1:
        raise ValueError(f"bad window: start={start}, count={count}, stride={stride}")
    last = start + (count - 1) * stride
    if last >= index.info.frames:
        raise UnreadableVideo(path, f"frame {last} wanted, it has {index.info.frames}")
    converter = VideoReformatter()
    wanted = start
    with closing(index.numbered_frames(path, start, stride=stride)) as numbered:
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
