"""Resized frames by number, from memory when the video is short and from the file otherwise."""

from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from odvae.clip_terms import ResizeFilter
from odvae.data.index import FrameIndex
from odvae.data.pixels import resize_short_side, resized_shape
from odvae.data.ranges import VideoRange
from odvae.data.video import UnreadableVideo, index_frames, iter_frames

WHOLE_VIDEO_FRAMES = 1500  # a longer video is never decoded whole: a minute at 25 fps
INDEXED_FRAMES = 4_000_000  # of all videos whose index is kept: 8 bytes each, or a file name


class FrameStore:
    """Frames of videos at one short side; may be used from several threads.

    A video is read by seeking the first time it is asked for; the second time it is decoded whole
    and kept, if it is short and the budget lasts. So a large folder costs what is drawn from it,
    and a few clips are decoded once. Where a frame comes from does not change it.
    """

    def __init__(
        self,
        short_side_px: int,
        budget_mb: int = 1024,
        *,
        resize: ResizeFilter = ResizeFilter.bicubic_antialias,
    ) -> None:
        self.short_side_px = short_side_px
        self.resize = resize
        self._left_bytes = budget_mb * 2**20
        self._lock = Lock()  # guards what follows
        self._videos: dict[Path, _Video] = {}  # the one asked for last comes last
        self._indexed_frames = 0

    def window(
        self, video: VideoRange, start: int, *, count: int, stride: int = 1
    ) -> NDArray[np.uint8]:
        """Frames ``start, start + stride, ...`` of the file, ``count`` of them.

        Returns:
            uint8 (count, h, w, 3), short side ``short_side_px``; not to be written to.

        Raises:
            UnreadableVideo: one of the frames cannot be read.
            ValueError: the window leaves the range.
        """
        end = start + (count - 1) * stride + 1
        if not video.first_frame <= start < end <= video.end_frame:
            raise ValueError(
                f"frames {start}..{end - 1} leave {video.name} "
                f"{video.first_frame}..{video.end_frame - 1}"
            )
        with self._lock:
            entry = self._videos[video.path] = self._videos.pop(video.path, _Video())
        with entry.lock:
            index, kept = self._indexed(video.path, entry)
        if kept is not None:
            return kept[start:end:stride]
        frames = iter_frames(video.path, start, count=count, stride=stride, index=index)
        return np.concatenate([self._resized(frame) for frame in frames])

    def _indexed(self, path: Path, entry: "_Video") -> tuple[FrameIndex, NDArray[np.uint8] | None]:
        """The video's index and, from the second time on, its frames if they can be kept."""
        if entry.index is None:
            entry.index = index_frames(path)
            with self._lock:
                self._indexed_frames += entry.index.info.frames
                self._forget()
        elif not entry.tried:
            entry.tried = True
            entry.kept = self._whole(path, entry.index)
        return entry.index, entry.kept

    def _forget(self) -> None:
        """Drop the indexes that were not used for the longest time: a large folder has no end."""
        for path, entry in list(self._videos.items()):
            if self._indexed_frames <= INDEXED_FRAMES:
                return
            if entry.index is not None and entry.kept is None and not entry.lock.locked():
                self._indexed_frames -= entry.index.info.frames
                del self._videos[path]

    def _whole(self, path: Path, index: FrameIndex) -> NDArray[np.uint8] | None:
        """All frames of a video, None if it is long, over the budget or not readable throughout."""
        info = index.info
        size = resized_shape(info.height, info.width, short_side_px=self.short_side_px)
        need_bytes = info.frames * size[0] * size[1] * 3
        with self._lock:
            if info.frames > WHOLE_VIDEO_FRAMES or need_bytes > self._left_bytes:
                return None
            self._left_bytes -= need_bytes
        kept = np.empty((info.frames, *size, 3), dtype=np.uint8)
        try:
            for number, frame in enumerate(iter_frames(path, 0, count=info.frames, index=index)):
                kept[number] = self._resized(frame)[0]
        except UnreadableVideo:  # its sound parts can still be read by seeking
            with self._lock:
                self._left_bytes += need_bytes
            return None
        return kept

    def _resized(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return resize_short_side(frame[np.newaxis], self.short_side_px, resize=self.resize)


class _Video:
    """What the store knows of one file; ``lock`` is held while that changes."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.index: FrameIndex | None = None
        self.tried = False  # decoding it whole
        self.kept: NDArray[np.uint8] | None = None
