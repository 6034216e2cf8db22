"""Clips as tensors: random ones to train on, the manifest's to evaluate on."""

from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from threading import Lock
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from odvae.clip_terms import ResizeFilter
from odvae.data.config import DataConfig
from odvae.data.crop import random_crop
from odvae.data.frames import FrameStore
from odvae.data.manifest import EvalClip, Manifest
from odvae.data.pixels import to_pixels
from odvae.data.ranges import Source, VideoRange
from odvae.data.video import UnreadableVideo
from odvae.errors import UserError

MAX_FAILED_DRAWS = 20  # in a row, for one clip
_AHEAD = 2  # batches waiting for each worker: one that takes long does not stop the others


class Clips(Protocol):
    """Random clips to train on, a function of (seed, step, data round)."""

    @property
    def skipped(self) -> Counter[str]:
        """How many draws of each video could not be read."""
        ...

    def batch(
        self, step: int, batch: int, data_round: int = 0, *, part: range | None = None
    ) -> Tensor:
        """The clips of a training step, or a part of them: float32 (B, 3, T, H, W) in [-1, 1]."""
        ...


class TrainingClips:
    """Random clips. A batch depends on the seed and the step only, so a run resumes anywhere.

    Attributes:
        skipped: how many draws of each file, by name, could not be read. The clip is then drawn
            again from the same generator, so that this too depends on the seed and step only.
    """

    def __init__(
        self, ranges: list[VideoRange], config: DataConfig, *, seed: int, store: FrameStore
    ) -> None:
        if not ranges or any(video.frames < config.span_frames for video in ranges):
            raise ValueError(f"needs ranges of {config.span_frames} frames or more")
        _check_short_side(store, config.short_side_px)
        self.skipped: Counter[str] = Counter()
        self._ranges = ranges
        self._ends = np.array(list(accumulate(video.frames for video in ranges)))
        self._config = config
        self._seed = seed
        self._store = store
        self._lock = Lock()  # guards skipped

    def batch(
        self, step: int, batch: int, data_round: int = 0, *, part: range | None = None
    ) -> Tensor:
        """The ``batch`` clips of a training step; another round has other ones.

        Args:
            part: of processes that share a step, the clips of this one, numbered in the batch.

        Returns:
            float32 (batch, 3, T, H, W) in [-1, 1].

        Raises:
            UserError: too many draws in a row could not be read.
        """
        numbers = range(batch) if part is None else part
        return torch.stack([self._clip(step, number, data_round) for number in numbers])

    def _clip(self, step: int, index: int, data_round: int) -> Tensor:
        # A zero at the end would change the draws.
        entropy = [self._seed, step, index, *([data_round] if data_round else [])]
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        failure = ""
        for _ in range(MAX_FAILED_DRAWS):
            # Videos are weighted by their length: every frame is as likely as any other.
            place = np.searchsorted(self._ends, rng.integers(self._ends[-1]), side="right")
            video = self._ranges[int(place)]
            try:
                return self._draw(video, rng)
            except UnreadableVideo as error:
                failure = f"{video.name}: {error.reason}"
                with self._lock:
                    self.skipped[video.name] += 1
        raise UserError(
            f"{MAX_FAILED_DRAWS} training clips in a row could not be read; last {failure}"
        )

    def _draw(self, video: VideoRange, rng: np.random.Generator) -> Tensor:
        config = self._config
        start = rng.integers(video.first_frame, video.end_frame - config.span_frames + 1)
        frames = self._store.window(
            video, int(start), count=config.clip_frames, stride=config.frame_stride
        )
        return random_crop(frames, config, rng=rng)


def prefetch(
    clips: Clips,
    first_step: int,
    *,
    end_step: int,
    batch: int,
    data_round: int = 0,
    part: range | None = None,
    workers: int = 2,
) -> Generator[Tensor]:
    """The batches of steps ``first_step <= step < end_step``, in order, prepared ahead in threads.

    Arguments are those of ``Clips.batch``.

    Closing the iterator stops the threads.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch")
    ahead: deque[Future[Tensor]] = deque()
    try:
        for step in range(first_step, end_step):
            ahead.append(pool.submit(clips.batch, step, batch, data_round, part=part))
            if len(ahead) > _AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def evaluation_clips(
    manifest: Manifest, source: Source, *, store: FrameStore
) -> Iterator[tuple[EvalClip, Tensor]]:
    """The clips of a manifest, in its order, each float32 (3, T, H, W) in [-1, 1].

    Nothing is skipped here: a number over other clips would be another number.

    Raises:
        UserError: a file is not held out, is not the one of the manifest, or cannot be read.
    """
    heldout = {video.name: video for video in source.heldout}
    for clip in manifest.clips:
        _check_short_side(store, clip.short_side_px)
        if store.resize is not ResizeFilter(clip.resize):
            raise ValueError(f"clips need the filter {clip.resize}, got {store.resize.value}")
        video = heldout.get(clip.file)
        end_frame = clip.start_frame + (clip.clip_frames - 1) * clip.frame_stride + 1
        if video is None or clip.start_frame < video.first_frame or end_frame > video.end_frame:
            raise UserError(
                f"evaluation clip {clip.file} {clip.start_frame}..{end_frame - 1} of the manifest "
                f"is not held out by this data configuration"
            )
        try:
            if video.sha256() != clip.sha256:
                raise UserError(f"{clip.file} is not the file of the manifest (sha256 differs)")
            frames = store.window(
                video, clip.start_frame, count=clip.clip_frames, stride=clip.frame_stride
            )
        except (UnreadableVideo, OSError) as error:
            raise UserError(f"evaluation clip {clip.file} cannot be read: {error}") from error
        rows = slice(clip.top_px, clip.top_px + clip.size_px)
        columns = slice(clip.left_px, clip.left_px + clip.size_px)
        yield clip, to_pixels(frames[:, rows, columns])


def _check_short_side(store: FrameStore, short_side_px: int) -> None:
    if store.short_side_px != short_side_px:
        raise ValueError(f"clips need short side {short_side_px} px, got {store.short_side_px}")
