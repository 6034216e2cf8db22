"""How far a run is: shown to the person at the terminal, or written to a file for the sweep."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

STATUS_FILE_VARIABLE = "ODVAE_STATUS_FILE"  # set by a sweep for each of its jobs
PARENT_PID_VARIABLE = "ODVAE_PARENT_PID"
_WRITE_EVERY_S = 0.3


class Progress(Protocol):
    """What a run tells about itself while it works."""

    def began(self, run_id: str) -> None:
        """The run is in the store."""

    def stage(self, name: str, total: int) -> None:
        """A new stage of so many parts begins."""

    def done(self, parts: int) -> None:
        """So many parts of the stage are done."""

    def note(self, text: str) -> None:
        """Something the person should read, once."""

    def report(self, step: int, values: dict[str, float]) -> None:
        """What has been reached by a step of training, by names of metrics."""


def bars(console: Console) -> Bars:
    """Progress bars with a description, a count and the time left."""
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def counting(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr if that is a terminal; give the function how many are done."""
    console = Console(stderr=True)
    shown = bars(console)
    with shown if console.is_terminal else nullcontext():
        bar = shown.add_task(description, total=total)
        yield lambda done: shown.update(bar, completed=done)


class TerminalProgress:
    """One bar, for the stage that runs now."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = bars(console)
        self._task = self._bars.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def began(self, run_id: str) -> None:
        """Nothing to see yet."""

    def stage(self, name: str, total: int) -> None:
        """Start the bar anew."""
        self._bars.reset(self._task, description=name, total=total)

    def done(self, parts: int) -> None:
        """Move the bar."""
        self._bars.update(self._task, completed=parts)

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(text, style="yellow", highlight=False, markup=False)

    def report(self, step: int, values: dict[str, float]) -> None:
        """Nothing to see: MLflow's page draws the curves."""


@dataclass
class JobStatus:
    """What a job of a sweep tells the sweep."""

    stage: str = "starting"
    done: int = 0
    total: int | None = None
    notes: list[str] = field(default_factory=list)
    run_id: str | None = None  # in the store
    already_finished: bool = False
    reports: list[tuple[int, dict[str, float]]] = field(default_factory=list)  # by step
    # How it failed: said by the sweep, for jobs that did not get to be a run.
    ending: str = ""
    by_signal: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """The last status written; a fresh one before that."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return cls()

    def write(self, path: Path) -> None:
        """Replace the file in one go: others read while we write."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)))
        os.replace(part, path)


class StatusFile:
    """Progress for the sweep that started this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_s = 0.0
        self.status = JobStatus()

    def began(self, run_id: str) -> None:
        """Let the sweep find the run, however it ends."""
        self.status.run_id = run_id
        self.write()

    def stage(self, name: str, total: int) -> None:
        """Begin a stage."""
        self.status.stage, self.status.total, self.status.done = name, total, 0
        self.write()

    def done(self, parts: int) -> None:
        """Count parts; the file follows a few times a second."""
        self.status.done = parts
        if time.monotonic() - self._written_s > _WRITE_EVERY_S:
            self.write()

    def note(self, text: str) -> None:
        """Keep a line for the sweep to print."""
        self.status.notes.append(text)
        self.write()

    def report(self, step: int, values: dict[str, float]) -> None:
        """Keep values for who decides whether the job goes on."""
        self.status.reports.append((step, values))
        self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        self._written_s = time.monotonic()
        self.status.write(self._path)


def end_with_parent() -> None:
    """End this process when the sweep that started it is gone, however it went."""
    parent = os.environ.get(PARENT_PID_VARIABLE)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()
