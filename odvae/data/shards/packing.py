"""One video as the two files of a sample: the video, and what is known of it as JSON."""

import io
import json
import re
import tarfile
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath

import av
import numpy as np

from odvae.data.index import UnreadableVideo, VideoInfo
from odvae.data.ranges import VideoRange
from odvae.data.shards.cache import digest
from odvae.data.trees import VIDEO_SUFFIXES
from odvae.data.video import index_frames, iter_frames, probe

_CRF = "17"  # x264: no visible loss
_KEY_FRAME_EVERY = "24"  # frames: a clip from the middle decodes no more than these in vain
_MOST_KEY_LETTERS = 60


class Reencode(Enum):
    """What becomes of a video's bytes."""

    none = "none"  # they stay as they are
    h264 = "h264"  # H.264 in MP4, of the frames that are used only


@dataclass(frozen=True)
class Planned:
    """A video that is to become the sample ``key``."""

    key: str
    video: VideoRange


def plan(videos: list[VideoRange]) -> list[Planned]:
    """Keys for videos, in an order that mixes neighbours and depends on names and ranges alone."""
    planned = [Planned(_key(video), video) for video in videos]
    return sorted(planned, key=lambda one: digest(one.key))


def _key(video: VideoRange) -> str:
    """Readable, unique, and without the dots at which readers of shards cut keys."""
    stem = PurePosixPath(video.name).with_suffix("").as_posix()
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)[-_MOST_KEY_LETTERS:]
    return f"{readable}-{digest(f'{video.name} {video.first_frame} {video.end_frame}')[:8]}"


def add_sample(tar: tarfile.TarFile, planned: Planned, how: Reencode, *, scratch: Path) -> None:
    """Append a video to a shard.

    Args:
        scratch: a folder for what is encoded.

    Raises:
        UnreadableVideo: nothing was appended.
    """
    video = planned.video
    if how is Reencode.h264:
        path = scratch / "encoded.mp4"  # one name: a killed writer leaves one file, for the next
        info = _reencode(video, path)
        _add_files(tar, planned, path, info=info, first_frame=0, frames=info.frames)
        path.unlink()
    else:
        if not video.path.is_file():
            raise UnreadableVideo(
                video.path, "no file; --reencode h264 makes one of a folder of frames"
            )
        if video.path.suffix.lower() not in VIDEO_SUFFIXES:
            raise UnreadableVideo(video.path, "no suffix of a video, by which shards tell videos")
        info = probe(video.path)
        first, frames = video.first_frame, video.frames
        _add_files(tar, planned, video.path, info=info, first_frame=first, frames=frames)


def _add_files(
    tar: tarfile.TarFile,
    planned: Planned,
    path: Path,
    *,
    info: VideoInfo,
    first_frame: int,
    frames: int,
) -> None:
    told = {
        "name": planned.video.name,
        "label": planned.video.label,
        "fps": info.fps,
        "first_frame": first_frame,
        "frames": frames,
        "height": info.height,
        "width": info.width,
    }
    text = json.dumps(told).encode()
    with path.open("rb") as file:
        size_bytes = path.stat().st_size
        tar.addfile(_header(planned.key + path.suffix.lower(), size_bytes), file)
    tar.addfile(_header(f"{planned.key}.json", len(text)), io.BytesIO(text))


def _header(name: str, size_bytes: int) -> tarfile.TarInfo:
    """Without owner and date: equal videos make equal shards."""
    header = tarfile.TarInfo(name)
    header.size = size_bytes
    return header


def _reencode(video: VideoRange, path: Path) -> VideoInfo:
    """Write the frames of a range as H.264, at an even size (the last row or column twice)."""
    index = index_frames(video.path)
    info = index.info
    frames = iter_frames(video.path, video.first_frame, count=video.frames, index=index)
    options = {"crf": _CRF, "g": _KEY_FRAME_EVERY}
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        rate = Fraction(info.fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = info.height + info.height % 2, info.width + info.width % 2
        stream.pix_fmt = "yuv420p"
        for rgb in frames:
            even = np.pad(rgb, ((0, info.height % 2), (0, info.width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return VideoInfo(video.frames, info.fps, stream.height, stream.width)
