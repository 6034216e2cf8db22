"""How long a run takes, over interruptions, and how fast its steps are."""

import statistics
import time
from pathlib import Path

_FILE = "elapsed_s"


class Pace:
    """Time between neighbouring updates; pauses for other work do not count."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._steps_s: list[float] = []

    def tick(self) -> None:
        """An update is done."""
        now = time.perf_counter()
        if self._last_s is not None:
            self._steps_s.append(now - self._last_s)
        self._last_s = now

    def pause(self) -> None:
        """The next update does not follow directly on the last one."""
        self._last_s = None

    @property
    def step_s(self) -> float | None:
        """Median seconds between updates; None before the second one."""
        return statistics.median(self._steps_s) if self._steps_s else None


def read_elapsed_s(folder: Path) -> float:
    """Seconds that earlier, interrupted attempts at a run took until their last checkpoint."""
    file = folder / _FILE
    return float(file.read_text()) if file.is_file() else 0.0


def write_elapsed_s(folder: Path, seconds: float) -> None:
    """Remember the time spent so far."""
    (folder / _FILE).write_text(f"{seconds:.3f}")
