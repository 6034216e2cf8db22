"""The order in which samples are seen: a function of seed and round, known at any place of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SHARDS, _SAMPLES = 1, 2  # what is permuted: two streams of random numbers
_WINDOWS_KEPT = 16


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of the order that mixes the samples of a few shards.

    Attributes:
        first:  its first place in the order, counted from the first epoch on.
        shards: numbers of its shards.
        picks:  int64 (places, 2), the number of the shard and of the sample in it.
    """

    first: int
    shards: tuple[int, ...]
    picks: NDArray[np.int64]

    @property
    def end(self) -> int:
        """The place after its last one."""
        return self.first + len(self.picks)


class SampleOrder:
    """Epoch after epoch, each a permutation of its own of all samples.

    An epoch permutes the shards, then the samples within each group of ``window_shards`` of them,
    so that at any time a few shards are enough and a place in the order needs no history.
    """

    def __init__(
        self, counts: Sequence[int], *, seed: int, data_round: int = 0, window_shards: int = 4
    ) -> None:
        self.total = sum(counts)
        if not self.total or window_shards < 1:
            raise ValueError(f"no order of {self.total} samples in windows of {window_shards}")
        self._counts = np.array(counts, dtype=np.int64)
        self._seed = seed
        self._data_round = data_round
        self._window_shards = window_shards
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)
        self._window = lru_cache(maxsize=_WINDOWS_KEPT)(self._make_window)

    def window_at(self, place: int) -> Window:
        """The window that holds a place of the order."""
        epoch, within = divmod(place, self.total)
        _, ends = self._epoch(epoch)
        return self._window(epoch, int(np.searchsorted(ends, within, side="right")))

    def _make_epoch(self, epoch: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
        """The shards of each window, and the place within the epoch after each window."""
        stocked = np.flatnonzero(self._counts)
        shards = self._generator(_SHARDS, epoch).permutation(stocked)
        cuts = range(self._window_shards, len(shards), self._window_shards)
        windows = np.split(shards, cuts)
        return windows, np.cumsum([self._counts[window].sum() for window in windows])

    def _make_window(self, epoch: int, number: int) -> Window:
        windows, ends = self._epoch(epoch)
        shards = windows[number]
        picks = np.concatenate(
            [np.stack([np.full(n, s), np.arange(n)], 1) for s in shards for n in [self._counts[s]]]
        )
        self._generator(_SAMPLES, epoch, number).shuffle(picks, axis=0)
        first = epoch * self.total + int(ends[number]) - len(picks)
        return Window(first, tuple(int(shard) for shard in shards), picks)

    def _generator(self, *which: int) -> np.random.Generator:
        key = (self._data_round, *which)
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))
