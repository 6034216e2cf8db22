"""How long training waits for its data."""

import time
from collections.abc import Iterable, Iterator

from torch import Tensor


class DataWait:
    """The share of time spent waiting for the next batch."""

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._since_s = time.perf_counter()

    def timed(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same batches; how long each one lets wait is counted."""
        iterator = iter(batches)
        while True:
            began_s = time.perf_counter()
            batch = next(iterator, None)
            self._waited_s += time.perf_counter() - began_s
            if batch is None:
                return
            yield batch

    def share(self) -> float:
        """Of the time since this was asked last, from 0 to 1."""
        now_s = time.perf_counter()
        share = self._waited_s / max(now_s - self._since_s, 1e-9)
        self.pause_over()
        return share

    def pause_over(self) -> None:
        """Count from now on: what came before was not training."""
        self._waited_s, self._since_s = 0.0, time.perf_counter()
