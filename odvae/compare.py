"""The command that compares runs: paired by clip, with intervals over clips and seeds.

python -m odvae.compare variant=1,4 init=tail
python -m odvae.compare RUN_A RUN_B --metric psnr_db
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from os import environ
from os.path import relpath
from pathlib import Path

from rich.console import Console

from odvae.comparison import Comparison, compare
from odvae.comparison.bootstrap import RESAMPLES
from odvae.comparison.clip_videos import Shown, write_videos
from odvae.comparison.drawing import differences_png
from odvae.comparison.extremes import extremes
from odvae.comparison.report import PICTURE, print_comparison, print_extremes, write_report
from odvae.comparison.stored import StoredLevel, find_levels, level_of
from odvae.compose import Parser, exit_code
from odvae.errors import UserError
from odvae.tracking import Store

_LEAST_RESAMPLES = 1000  # of fewer, the ends of an interval are chance


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    words: list[str]
    output_dir: Path
    metrics: list[str] | None
    baseline: str | None
    clips: int
    folder: Path
    seed: int
    resamples: int
    across_protocols: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake."""
    return exit_code(lambda: _compare(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae compare",
        description="Compare finished runs of one evaluation protocol: paired differences with "
        "intervals, a test, a verdict in words, and the clips on which they differ most as videos. "
        "Runs that agree in all but the seed are one level; levels are compared with the first.",
    )
    add = parser.add_argument
    add(
        "words",
        nargs="+",
        metavar="RUN | NAME=VALUE,...",
        help="an id or its beginning, a run's name, or a filter by tag or parameter (variant=1,4); "
        "several filters hold together",
    )
    add("--output-dir", default="outputs", help="where the runs are (outputs)")
    add("--metric", action="append", metavar="NAME", help="may be repeated; else all there are")
    add("--baseline", metavar="RUN | NAME=VALUE", help="the level to compare with; else the first")
    add("--clips", type=int, default=3, metavar="K", help="clips to show of either side (3)")
    add("--to", metavar="FOLDER", help="for the report; else compare/ in the output folder")
    add("--seed", type=int, default=0, help="of the resampling (0)")
    add("--resamples", type=int, default=RESAMPLES, help=f"how often ({RESAMPLES})")
    add("--across-protocols", action="store_true", help="also of different protocols")
    given = parser.parse_intermixed_args(argv)
    for name, least in (("clips", 0), ("seed", 0), ("resamples", _LEAST_RESAMPLES)):
        if getattr(given, name) < least:
            raise UserError(f"--{name} must be at least {least}, got {getattr(given, name)}")
    output_dir = Path(given.output_dir).expanduser()
    return _Asked(
        words=given.words,
        output_dir=output_dir,
        metrics=given.metric,
        baseline=given.baseline,
        clips=given.clips,
        folder=Path(given.to).expanduser() if given.to else output_dir / "compare",
        seed=given.seed,
        resamples=given.resamples,
        across_protocols=given.across_protocols,
    )


def _compare(asked: _Asked) -> None:
    if not asked.output_dir.is_dir() and not environ.get("MLFLOW_TRACKING_URI"):
        raise UserError(f"--output-dir={asked.output_dir} is not there")
    store = Store.open_to_read(asked.output_dir)
    levels = find_levels(store, asked.words, across_protocols=asked.across_protocols)
    baseline = levels[0]
    if asked.baseline is not None:
        baseline = level_of(levels, asked.baseline, store)
    comparison = compare(
        [level.read(store) for level in levels],
        baseline=baseline.label,
        metrics=asked.metrics,
        seed=asked.seed,
        resamples=asked.resamples,
    )
    console = Console()
    print_comparison(comparison, console)
    _report(comparison, levels, store, asked, console)


def _report(
    comparison: Comparison,
    levels: Sequence[StoredLevel],
    store: Store,
    asked: _Asked,
    console: Console,
) -> None:
    """Write everything, and show the clips on which levels differ most in the first metric."""
    by_label = {level.label: level for level in levels}
    shown = [
        Shown(one, by_label[one.level], by_label[one.baseline], extremes(one, asked.clips))
        for one in comparison.of_metric(comparison.metrics[0])
    ]
    for one in shown:
        print_extremes(one.difference, one.clips, console)
    folder = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    differences_png(comparison, folder / PICTURE)

    def tell(text: str) -> None:
        console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)

    videos = write_videos(shown, store, folder, output_dir=asked.output_dir, note=tell)
    write_report(comparison, [(one.difference, one.clips) for one in shown], folder, videos=videos)
    files = f"comparison.md, comparison.csv, {PICTURE}"
    count = f", {len(videos)} video{'' if len(videos) == 1 else 's'}" if videos else ""
    console.print(
        f"Report: {relpath(folder)} ({files}{count})", highlight=False, markup=False, soft_wrap=True
    )


if __name__ == "__main__":
    sys.exit(main())
