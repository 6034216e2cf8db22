"""A comparison as a table on the terminal, as Markdown and as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from odvae.comparison.difference import Comparison, Difference
from odvae.comparison.extremes import Extreme
from odvae.comparison.verdict import digits, p_words, verdict
from odvae.experiment.table import Summary

MARKDOWN, CSV, PICTURE = "comparison.md", "comparison.csv", "differences.png"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print a table of each level, the verdicts, and what to bear in mind."""
    _print(summary(comparison), console)
    for one in comparison.differences:
        console.print(f"{verdict(one)}.", highlight=False, markup=False, soft_wrap=True)
    for note in comparison.notes:
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)


def print_extremes(one: Difference, clips: Sequence[Extreme], console: Console) -> None:
    """Print the clips on which a level and its baseline differ most."""
    if clips:
        _print(extremes_summary(one, clips), console)


def write_report(
    comparison: Comparison,
    clips: Sequence[tuple[Difference, Sequence[Extreme]]],
    folder: Path,
    *,
    videos: Mapping[tuple[str, str], Path],
) -> None:
    """Write comparison.md and comparison.csv.

    Args:
        clips: those on which levels and the baseline differ most.
        videos: files in the folder, by level and clip.
    """
    comparison.table().to_csv(folder / CSV, index=False)
    parts = [
        "# Comparison",
        "\n".join(f"* {verdict(one)}." for one in comparison.differences),
        _markdown(summary(comparison)),
        f"![differences by clip, mean and 95 % interval]({PICTURE})",
        "\n".join(f"* {note}." for note in comparison.notes),
    ]
    for one, chosen in clips:
        if chosen:
            table = extremes_summary(one, chosen)
            links = [videos.get((one.level, extreme.clip)) for extreme in chosen]
            rows = [
                [*row, f"[video]({link.name})" if link else ""]
                for row, link in zip(table.rows, links, strict=True)
            ]
            parts += [f"## Where {one.level} and {one.baseline} differ most"]
            parts.append(_markdown(Summary([*table.columns, "side by side"], rows)))
    text = "\n\n".join(part for part in parts if part)
    (folder / MARKDOWN).write_text(text + "\n", encoding="utf-8")


def summary(comparison: Comparison) -> Summary:
    """A row for each level and metric; means are over clips and seeds."""
    columns = ["level", "baseline", "metric", "level mean", "baseline mean", "difference"]
    columns += ["95 % interval", "p", "ahead on", "finding"]
    return Summary(columns, [_row(one) for one in comparison.differences])


def extremes_summary(one: Difference, clips: Sequence[Extreme]) -> Summary:
    """A row a clip."""
    columns = [f"{one.metric.heading}, clip", one.baseline, one.level, "difference", "ahead"]
    rows = [
        [
            extreme.clip,
            *(_number(one, value) for value in (extreme.baseline, extreme.level)),
            _number(one, extreme.difference, signed=True),
            extreme.ahead,
        ]
        for extreme in clips
    ]
    return Summary(columns, rows)


def _print(table: Summary, console: Console) -> None:
    titles = [title.replace(" ", "\N{NO-BREAK SPACE}") for title in table.columns]
    Summary(titles, table.rows).print(console)  # which breaks titles at spaces


def _row(one: Difference) -> list[str]:
    ends = (one.interval.low, one.interval.high)
    return [
        one.level,
        one.baseline,
        one.metric.heading,
        _number(one, float(one.paired.level.mean())),
        _number(one, float(one.paired.baseline.mean())),
        _number(one, one.mean, signed=True),
        " to ".join(_number(one, end, signed=True) for end in ends),
        p_words(one.p_holm).removeprefix("p = ").removeprefix("p "),
        f"{one.clips_ahead}/{one.clips}",
        one.finding.value,
    ]


def _number(one: Difference, value: float, *, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''}.{digits(one)}f}"


def _markdown(table: Summary) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
