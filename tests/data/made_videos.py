"""Videos made for the tests: every frame shows its own number, so that it can be recognised."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

HEIGHT_PX, WIDTH_PX = 48, 64
_BITS = 8
_BIT_PX = WIDTH_PX // _BITS
_NOISE_PX = 16  # rows


@dataclass(frozen=True)
class Format:
    """How a video is encoded; ``options`` are the encoder's."""

    suffix: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    b_frames: int = 0
    first_pts: int = 0
    irregular: bool = False  # variable frame rate


X264 = {"g": "12", "sc_threshold": "0", "bf": "3", "b_strategy": "0"}
FORMATS = {
    "mp4, B-frames": Format(".mp4", "libx264", X264),
    "mp4, open groups": Format(".mp4", "libx264", {**X264, "x264-params": "open-gop=1"}),
    "mp4, tiny groups": Format(".mp4", "libx264", {**X264, "g": "2"}),
    "mp4, all key frames": Format(".mp4", "libx264", {**X264, "g": "1"}),
    "mp4, late start": Format(".mp4", "libx264", X264, first_pts=77),
    "mp4, irregular": Format(".mp4", "libx264", X264, irregular=True),
    "mkv, B-frames": Format(".mkv", "libx264", X264),
    "mkv, open groups": Format(".mkv", "libx264", {**X264, "x264-params": "open-gop=1"}),
    "mkv, irregular": Format(".mkv", "libx264", X264, irregular=True),
    "mkv, lossless": Format(".mkv", "ffv1", first_pts=31),
    "webm": Format(
        ".webm", "libvpx-vp9", {"g": "12", "lag-in-frames": "0", "deadline": "realtime"}
    ),
    "avi": Format(".avi", "mpeg4", {"g": "12"}),
    "avi, B-frames": Format(".avi", "mpeg4", {"g": "12"}, b_frames=2),
    "avi, H.264": Format(".avi", "libx264", X264),
    "ts": Format(".ts", "libx264", X264),
    "mpg": Format(".mpg", "mpeg2video", {"g": "12"}, b_frames=2),
}


def numbered_frame(number: int) -> NDArray[np.uint8]:
    """uint8 (H, W, 3): eight bars, light for a set bit of ``number``, above a strip of noise."""
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), 40 + number % 40, dtype=np.uint8)
    for bit in range(_BITS):
        if number >> bit & 1:
            frame[:, bit * _BIT_PX : (bit + 1) * _BIT_PX] += 120
    noise = np.random.default_rng(number).integers(256, size=(_NOISE_PX, WIDTH_PX, 3))
    frame[-_NOISE_PX:] = noise  # gives the file some weight
    return frame


def shown_numbers(frames: NDArray[np.uint8]) -> list[int]:
    """The numbers that frames (T, H, W, 3) show, read from the middle of each bar."""
    middles = frames[:, HEIGHT_PX // 4, _BIT_PX // 2 :: _BIT_PX].astype(int).mean(axis=-1)  # (T, 8)
    return [sum(int(light) << bit for bit, light in enumerate(row > 110)) for row in middles]


def make_video(path: Path, frames: int, made_as: Format, *, first_number: int = 0) -> Path:
    """Write a video whose frames show ``first_number, first_number + 1, ...``."""
    at_front = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=at_front) as container:
        stream = container.add_stream(made_as.codec, rate=25, options=made_as.options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        if made_as.b_frames:
            stream.codec_context.max_b_frames = made_as.b_frames
        pts = made_as.first_pts
        for number in range(frames):
            shown = numbered_frame(first_number + number)
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            pts += 1 + (number * number % 4 if made_as.irregular else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_frames(folder: Path, names: list[str], *, first_number: int = 0) -> Path:
    """Write a folder of frames: PNG or JPEG by suffix, showing ``first_number`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, start=first_number):
        codec, pix_fmt = ("png", "rgb24") if name.endswith(".png") else ("mjpeg", "yuvj444p")
        encoder = av.CodecContext.create(codec, "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = WIDTH_PX, HEIGHT_PX, pix_fmt
        encoder.time_base = Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
        packets = encoder.encode(frame.reformat(format=pix_fmt)) + encoder.encode(None)
        (folder / name).write_bytes(b"".join(map(bytes, packets)))
    return folder


def damage_frame(path: Path, packet: int) -> Path:
    """Overwrite the second half of a packet; the container stays sound."""
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    position, size = places[packet]
    assert position is not None
    content = bytearray(path.read_bytes())
    for offset in range(position + size // 2, position + size - 8):
        content[offset] = offset * 37 % 256
    path.write_bytes(content)
    return path


def trim_by_edit_list(source: Path, path: Path, hidden: int) -> Path:
    """Copy an MP4, its first ``hidden`` frames before time 0: stored, but not to be shown."""
    with av.open(str(source)) as whole, av.open(str(path), "w") as trimmed:
        stream = whole.streams.video[0]
        copy = trimmed.add_stream_from_template(stream)
        assert stream.time_base is not None
        shift = round(hidden / 25 / stream.time_base)
        for packet in whole.demux(stream):
            if packet.pts is not None and packet.dts is not None:
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = copy
                trimmed.mux(packet)
    return path
