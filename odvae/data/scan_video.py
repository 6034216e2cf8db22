"""Decode a video from its first frame to its last, and say what is wrong with it."""

from contextlib import closing
from threading import Event

import av

from odvae.data.content import video_sha256, video_state
from odvae.data.index import FrameIndex, UnreadableVideo, opened_video
from odvae.data.listing import Listed
from odvae.data.scan_manifest import ScanEntry
from odvae.data.video import index_frames


class ScanStopped(Exception):
    """The scan was called off while a video was being decoded."""


def scan_video(video: Listed, *, stop: Event) -> ScanEntry:
    """Decode a video as training would read it, whatever may be wrong with it.

    A video is sound if all of its frames decode, have one size, and are as many as its container
    announces (Matroska and MPEG streams announce none).

    Raises:
        ScanStopped: ``stop`` was set meanwhile.
    """
    state = video_state(video.path)  # before it is read: a change meanwhile will be seen later
    frames = height = width = decoded_frames = 0
    fps = 0.0
    sha256 = problem = None
    try:
        sha256 = video_sha256(video.path)
        index = index_frames(video.path)
        frames, height, width = index.info.frames, index.info.height, index.info.width
        fps = index.info.fps
        decoded_frames, problem = _decode(video, index, stop)
        problem = problem or _cut_off(video)
    except UnreadableVideo as error:
        problem = f"unreadable: {error.reason}"
    except OSError as error:
        problem = f"unreadable: {error.strerror or error}"
    return ScanEntry(
        name=video.name,
        sha256=sha256,
        size_bytes=state.size_bytes,
        mtime_ns=state.mtime_ns,
        fps=fps,
        frames=frames,
        height=height,
        width=width,
        decoded_frames=decoded_frames,
        label=video.label,
        problem=" ".join(problem.split()) if problem else None,
    )


def _decode(video: Listed, index: FrameIndex, stop: Event) -> tuple[int, str | None]:
    """How many frames of the first one's size decode, and what is wrong with the others."""
    info = index.info
    good = 0
    first_bad: int | None = None
    changed: int | None = None  # the first frame of another size
    with closing(index.numbered_frames(video.path, 0, stride=1)) as numbered:
        for number, frame in numbered:
            if stop.is_set():
                raise ScanStopped
            if first_bad is None and number != good:
                first_bad = good
            if (frame.height, frame.width) == (info.height, info.width):
                good += 1
            elif changed is None:
                changed = number
    if changed is not None:
        return good, f"size changes: at frame {changed}"
    if good < info.frames:
        bad = good if first_bad is None else first_bad
        return (
            good,
            f"damaged: {info.frames - good} of {info.frames} frames do not decode, "
            f"the first is frame {bad}",
        )
    return good, None


def _cut_off(video: Listed) -> str | None:
    """Whether a container announces more frames than it holds; it may still show fewer."""
    if video.path.is_dir():
        return None
    there = 0
    with opened_video(video.path) as (container, stream):
        try:
            for packet in container.demux(stream):
                there += packet.dts is not None or packet.size > 0  # also empty ones: no change
        except av.error.InvalidDataError:
            pass
        if there < stream.frames:
            return f"cut off: it holds {there} of {stream.frames} frames"
    return None
