"""A folder of frames is a video too: one image a frame, in the natural order of their names."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from odvae.data.index import FALLBACK_FPS, UnreadableVideo, VideoInfo

FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

_DECODERS = {b"\x89PNG": "png", b"\xff\xd8": "mjpeg"}  # by the content: suffixes may be wrong


@dataclass(frozen=True)
class FrameFolderIndex:
    """The images of a folder, ``names[n]`` being frame n."""

    info: VideoInfo
    names: tuple[str, ...]

    def numbered_frames(
        self, path: Path, start: int, *, stride: int
    ) -> Generator[tuple[int, VideoFrame]]:
        """Decode the images ``start, start + stride, ...`` and no other."""
        for number in range(start, len(self.names), stride):
            frame = _decoded(path / self.names[number])
            if frame is not None:
                yield number, frame


def index_frame_folder(folder: Path) -> FrameFolderIndex:
    """List the frames of a folder. No image says how fast they follow: FALLBACK_FPS is assumed.

    Raises:
        UnreadableVideo: no folder, no image in it, or none that decodes.
    """
    try:
        names = frame_names(folder)
    except OSError as error:
        raise UnreadableVideo(folder, error.strerror or str(error)) from error
    if not names:
        raise UnreadableVideo(folder, "a folder without images")
    first = next(filter(None, (_decoded(folder / name) for name in names)), None)
    if first is None:
        raise UnreadableVideo(folder, "no frame decodes")
    return FrameFolderIndex(VideoInfo(len(names), FALLBACK_FPS, first.height, first.width), names)


def frame_names(folder: Path) -> tuple[str, ...]:
    """File names of the images directly in a folder, in natural order: frame_2 before frame_10.

    Raises:
        OSError: the folder cannot be read.
    """
    names = [file.name for file in folder.iterdir() if is_frame(file)]
    return tuple(sorted(names, key=natural_order))


def is_frame(file: Path) -> bool:
    """Whether a file is a frame, by its name alone; hidden files are not."""
    return file.suffix.lower() in FRAME_SUFFIXES and not file.name.startswith(".")


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key that takes each run of digits for a number; ties are broken by the name itself."""
    # Splitting at a group gives text and digits in turn, so that like is compared with like.
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def _decoded(file: Path) -> VideoFrame | None:
    """The image as a frame; None if it is not whole or of another format."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    codec = next((name for magic, name in _DECODERS.items() if content.startswith(magic)), None)
    if codec is None:
        return None
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}  # or what a cut-off JPEG lacks comes out grey
    try:
        frames = decoder.decode(av.Packet(content)) + decoder.decode(None)
    except av.error.FFmpegError:
        return None
    return frames[0] if frames and not frames[0].is_corrupt else None
