"""Training clips out of shards. Clips are (B, 3, T, H, W) in [-1, 1]."""

from collections import Counter
from functools import cache
from threading import Lock, Thread

import numpy as np
import torch
from torch import Tensor

from odvae.data.clips import MAX_FAILED_DRAWS
from odvae.data.config import DataConfig
from odvae.data.crop import random_crop
from odvae.data.index import UnreadableVideo, index_video
from odvae.data.pixels import resize_short_side
from odvae.data.shards.collection import Shard, ShardSet
from odvae.data.shards.index import Sample
from odvae.data.shards.order import SampleOrder, Window
from odvae.data.video import iter_frames
from odvae.errors import UserError

WINDOW_SHARDS = 4  # whose samples are mixed; two windows are at hand, this one and the next


class ShardClips:
    """One random clip of each sample an epoch; a batch depends on the seed and the step only.

    May be used from several threads; processes that share a step take a part of its batch each.

    Attributes:
        skipped: how many draws of each sample, as shard/key, could not be read. Another sample of
            the same few shards is then drawn from the clip's own generator.
    """

    def __init__(self, shards: ShardSet, config: DataConfig, *, seed: int) -> None:
        self.skipped: Counter[str] = Counter()
        self._shards = shards
        self._config = config
        self._seed = seed
        counts = [len(shard.samples) for shard in shards.shards]
        # One order a round; a round begins when training had to go back.
        self._order = cache(
            lambda data_round: SampleOrder(
                counts, seed=seed, data_round=data_round, window_shards=WINDOW_SHARDS
            )
        )
        self._lock = Lock()  # guards skipped and what is fetched ahead
        self._ahead: Thread | None = None
        self._fetched_end: dict[int, int] = {}  # by round, the place up to which they were
        _check_room(shards)

    @property
    def epoch_samples(self) -> int:
        """Samples of an epoch."""
        return self._order(0).total

    def batch(
        self, step: int, batch: int, data_round: int = 0, *, part: range | None = None
    ) -> Tensor:
        """The ``batch`` clips of a training step; another round has another order.

        Args:
            part: of processes that share a step, the clips of this one, numbered in the batch.

        Returns:
            float32 (batch, 3, T, H, W) in [-1, 1].

        Raises:
            UserError: a shard cannot be had, or too many draws in a row could not be read.
        """
        numbers = range(batch) if part is None else part
        start = step * batch
        self._fetch_ahead(start + numbers.start, data_round)
        return torch.stack([self._clip(step, start, number, data_round) for number in numbers])

    def _clip(self, step: int, start: int, index: int, data_round: int) -> Tensor:
        entropy = [self._seed, step, index, data_round]
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        window = self._order(data_round).window_at(start + index)
        pick = start + index - window.first
        failure = ""
        for _ in range(MAX_FAILED_DRAWS):
            shard, sample = self._picked(window, pick)
            try:
                return self._draw(shard, sample, rng)
            except UnreadableVideo as error:
                name = f"{shard.entry.name}/{sample.key}"
                failure = f"{name}: {error.reason}"
                with self._lock:
                    self.skipped[name] += 1
            pick = int(rng.integers(len(window.picks)))
        raise UserError(
            f"{MAX_FAILED_DRAWS} training clips in a row could not be read; last {failure}"
        )

    def _picked(self, window: Window, pick: int) -> tuple[Shard, Sample]:
        shard_number, sample_number = window.picks[pick]
        shard = self._shards.shards[shard_number]
        return shard, shard.samples[sample_number]

    def _draw(self, shard: Shard, sample: Sample, rng: np.random.Generator) -> Tensor:
        config = self._config
        with self._shards.video(shard, sample) as path:
            index = index_video(path)
            frames = index.info.frames - sample.first_frame  # what is there, not what was told
            if sample.frames is not None:
                frames = min(frames, sample.frames)
            if frames < config.span_frames:
                reason = f"{max(frames, 0)} frames, a clip spans {config.span_frames}"
                raise UnreadableVideo(path, reason)
            start = sample.first_frame + int(rng.integers(frames - config.span_frames + 1))
            window = iter_frames(
                path, start, count=config.clip_frames, stride=config.frame_stride, index=index
            )
            resized = [resize_short_side(f[np.newaxis], config.short_side_px) for f in window]
        return random_crop(np.concatenate(resized), config, rng=rng)

    def _fetch_ahead(self, place: int, data_round: int) -> None:
        """Fetch the remote shards of this window and the next, in a thread of their own."""
        with self._lock:
            is_busy = self._ahead is not None and self._ahead.is_alive()
            if is_busy or place < self._fetched_end.get(data_round, 0):
                return
            order = self._order(data_round)
            window = order.window_at(place)
            following = order.window_at(window.end)
            numbers = dict.fromkeys(window.shards + following.shards)
            shards = [self._shards.shards[number] for number in numbers]
            self._fetched_end[data_round] = window.end
            if not any(shard.place.is_remote for shard in shards):
                return
            # A daemon: the end of the run does not wait for it.
            self._ahead = Thread(target=self._fetch, args=(shards,), name="shards", daemon=True)
            self._ahead.start()

    def _fetch(self, shards: list[Shard]) -> None:
        for shard in shards:
            try:
                self._shards.cache.fetch_ahead(shard.place, shard.entry)
            except UserError:  # raised again where the shard is needed
                return


def _check_room(shards: ShardSet) -> None:
    """Two windows must fit into the cache, or each shard would be fetched again and again."""
    sizes = sorted(shard.entry.bytes for shard in shards.shards if shard.place.is_remote)
    need_bytes = sum(sizes[-2 * WINDOW_SHARDS :])
    if need_bytes > shards.cache.limit_bytes:
        raise UserError(
            f"the cache of shards must hold {2 * WINDOW_SHARDS} of them: "
            f"{need_bytes / 1e9:.3g} GB, got {shards.cache.limit_bytes / 1e9:.3g} GB"
        )
