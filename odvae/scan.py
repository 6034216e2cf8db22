"""The command that decodes every video of a source once and keeps what it found for training.

python -m odvae.scan data=ucf101 data.path=UCF-101 data.lists=ucfTrainTestlist
"""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from odvae.compose import Parser, compose_run, resumable_exit_code
from odvae.data import Scan, ScanEntry, problem_kinds, scan_source
from odvae.errors import UserError
from odvae.experiment.progress import bars

_NAMED = 3  # examples of a problem, groups of copies


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    words: list[str]  # field=value, as odvae.run takes them
    jobs: int
    full: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Scan a source; returns the exit code: 2 for a user's mistake. Bad videos are none."""
    return resumable_exit_code(lambda: _scan(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae scan",
        description="Decode every video of a source once; training then skips the bad ones and "
        "opens none to look at it. A second scan decodes what is new or changed.",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FIELD=VALUE",
        help="fields of a run: data=folder data.path=..., data.manifest=FILE, output_dir=...",
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="videos at a time (all cores)"
    )
    parser.add_argument("--full", action="store_true", help="decode also what was decoded before")
    given = parser.parse_intermixed_args(argv)
    if given.jobs < 1:
        raise UserError(f"--jobs must be at least 1, got {given.jobs}")
    return _Asked(words=given.words, jobs=given.jobs, full=given.full)


def _scan(asked: _Asked) -> None:
    config = compose_run(asked.words)
    terminal = Console(stderr=True)
    shown = bars(terminal)
    with shown if terminal.is_terminal else nullcontext():
        bar = shown.add_task("scan", total=None)
        scan = scan_source(
            config.data,
            cache=config.output / "cache",
            jobs=asked.jobs,
            full=asked.full,
            progress=lambda done, total: shown.update(bar, completed=done, total=total),
        )
    console = Console()
    console.print(_table(scan))
    for line in (f"digest {scan.manifest.digest}", os.path.relpath(scan.path)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(scan: Scan) -> Table:
    """What was found, in a few lines."""
    entries = scan.manifest.entries
    sound = [entry for entry in entries if entry.problem is None]
    table = Table(show_header=False, box=None)
    hours = sum(entry.frames / entry.fps for entry in sound) / 3600
    size_gb = sum(entry.size_bytes for entry in entries) / 1e9
    table.add_row("videos", str(len(entries)), f"{size_gb:.3g} GB, {scan.decoded} decoded now")
    table.add_row("sound", str(len(sound)), f"{hours:.3g} h")
    bad = [(entry.name, entry.problem) for entry in entries if entry.problem]
    bad += [(one.name, one.reason) for one in scan.skipped]
    for kind, count in problem_kinds(problem for _, problem in bad).items():
        examples = [name for name, problem in bad if problem.partition(":")[0] == kind]
        table.add_row(kind, str(count), _listed(examples))
    copies = _copies(entries)
    same = (" = ".join([*names[:_NAMED], *["..."] * (len(names) > _NAMED)]) for names in copies)
    table.add_row("copies", str(sum(map(len, copies)) - len(copies)), _listed(same))
    return table


def _copies(entries: list[ScanEntry]) -> list[list[str]]:
    """Names of videos that have the same content, two or more each."""
    known = sorted((e for e in entries if e.sha256), key=lambda entry: entry.sha256 or "")
    groups = ([e.name for e in group] for _, group in groupby(known, lambda entry: entry.sha256))
    return [names for names in groups if len(names) > 1]


def _listed(names: Iterable[str]) -> Text:
    """The first few; a name that is no Unicode is shown with escapes."""
    first = list(names)
    text = ", ".join(first[:_NAMED]) + (", ..." if len(first) > _NAMED else "")
    return Text(text.encode("utf-8", "backslashreplace").decode())


if __name__ == "__main__":
    sys.exit(main())
