"""What anyone would write with PyAV: the windows of a training, read without the loader's code."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from odvae.data import (
    DataConfig,
    FrameStore,
    TrainingClips,
    VideoRange,
    resize_short_side,
    to_pixels,
)
from odvae.data.index import VideoIndex, index_video

BATCH = 1

Loop = Callable[[range], None]  # reads the clips of these steps


class Recording(FrameStore):
    """Reads nothing, and notes which windows are drawn."""

    def __init__(self, short_side_px: int) -> None:
        super().__init__(short_side_px, budget_mb=0)
        self.windows: list[tuple[Path, int]] = []

    def window(
        self, video: VideoRange, start: int, *, count: int, stride: int = 1
    ) -> NDArray[np.uint8]:
        """Black."""
        self.windows.append((video.path, start))
        return np.zeros((count, self.short_side_px, self.short_side_px, 3), np.uint8)


def bare_frames(
    path: Path, start: int, *, count: int, index: VideoIndex
) -> list[NDArray[np.uint8]]:
    """What anyone would write: open, seek to the key frame, decode on, convert what is wanted."""
    assert index.pts is not None, path
    first_pts = index.pts[start]
    key = int(np.searchsorted(index.key_pts, first_pts, side="right")) - 1
    converter = VideoReformatter()
    frames: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        assert isinstance(stream, VideoStream)
        if key > 0:
            container.seek(int(index.key_pts[key]), stream=stream)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts >= first_pts:
                rgb = converter.reformat(frame, format="rgb24", threads=1)
                frames.append(np.asarray(rgb.to_ndarray(), dtype=np.uint8))
            if len(frames) == count:
                return frames
    raise ValueError(f"{path}: {len(frames)} of {count} frames from {start} on")


def bare_loop(
    ranges: list[VideoRange], config: DataConfig, *, workers: int, is_resized: bool
) -> Loop:
    """The windows that ``TrainingClips`` draws, read without any of its code."""
    indexes = {video.path: index_video(video.path) for video in ranges}

    def read(window: tuple[Path, int]) -> None:
        path, start = window
        frames = bare_frames(path, start, count=config.clip_frames, index=indexes[path])
        if is_resized:
            resized = [resize_short_side(f[np.newaxis], config.short_side_px) for f in frames]
            to_pixels(np.concatenate(resized)[:, : config.size_px, : config.size_px])

    def loop(steps: range) -> None:
        drawn = Recording(config.short_side_px)
        clips = TrainingClips(ranges, config, seed=0, store=drawn)
        for step in steps:
            clips.batch(step, BATCH)
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(read, drawn.windows):
                pass

    return loop
