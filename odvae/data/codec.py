"""A lossy codec that some evaluators send videos through before they compare them.

Frames are uint8 (T, H, W, 3), RGB.
"""

from io import BytesIO

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

_FPS = 24  # with bits counted by pixel, it changes nothing but the header
_GOP_FRAMES = 12  # from one frame coded alone to the next


def through_mpeg4(frames: NDArray[np.uint8], *, bits_per_px: float) -> NDArray[np.uint8]:
    """Write frames as MPEG-4 part 2 (``mp4v``, yuv420p) and read them again.

    As OpenCV's video writer does with this codec; its rate is 1.5 bits per pixel. The same frames
    give the same frames again.

    Args:
        frames: uint8 (T, H, W, 3).
        bits_per_px: the rate that the encoder aims at; it may miss it in a few frames.

    Returns:
        uint8 (T, H, W, 3).
    """
    file = BytesIO()
    _write(frames, file, bits_per_px=bits_per_px)
    file.seek(0)
    converter = VideoReformatter()
    with av.open(file, "r") as container:
        decoded = [
            converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
            for frame in container.decode(video=0)
        ]
    assert len(decoded) == len(frames), "every frame that was written comes back"
    return np.stack(decoded).astype(np.uint8, copy=False)


def _write(frames: NDArray[np.uint8], file: BytesIO, *, bits_per_px: float) -> None:
    height, width = frames.shape[1:3]
    converter = VideoReformatter()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=_FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        coder = stream.codec_context
        coder.bit_rate = coder.bit_rate_tolerance = round(bits_per_px * height * width * _FPS)
        coder.gop_size = _GOP_FRAMES
        coder.thread_count = 1  # slices would depend on the number of cores
        for rgb in frames:
            frame = VideoFrame.from_ndarray(rgb, format="rgb24")
            planes = converter.reformat(frame, format="yuv420p", interpolation="BICUBIC", threads=1)
            container.mux(stream.encode(planes))
        container.mux(stream.encode(None))
