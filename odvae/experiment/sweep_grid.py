"""A sweep as a table: one factor by another where two differ, else a line for each job."""

import os

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from odvae.experiment.sweep_state import JobState, State, SweepState, factors

_COLOURS = {
    State.finished: "green",
    State.running: "cyan",
    State.failed: "red",
    State.killed: "magenta",
    State.stale: "yellow",
    State.missing: "dim",
}
_WIDEST = 8  # columns of a grid
_NO_JOB = Text("·", style="dim")


def print_sweep(sweep: SweepState, console: Console) -> None:
    """Print what a sweep is, how its jobs stand and why some failed."""
    console.print(Text.assemble(_told(sweep.state), f"  {line(sweep)}"), soft_wrap=True)
    if sweep.jobs:
        console.print(_table(sweep.jobs))
    for name, each in zip(_names(sweep.jobs), sweep.jobs, strict=True):
        if each.state in (State.failed, State.killed) and each.detail:
            log = f" (log: {os.path.relpath(each.log)})" if each.log.is_file() else ""
            console.print(Text(f"{name}: {each.detail.splitlines()[0]}{log}"), soft_wrap=True)


def line(sweep: SweepState) -> str:
    """A sweep in a line: when, which, how its jobs stand, what was typed."""
    started = sweep.run.started.astimezone()
    return (
        f"{started:%Y-%m-%d %H:%M}  {sweep.run.run_id[:8]}  "
        f"{sweep.counts or 'no jobs'}  {sweep.run.name}"
    )


def _table(jobs: list[JobState]) -> Table:
    differing = factors([each.job for each in jobs])
    if len(differing) == 2:
        rows, columns = sorted(differing, key=lambda name: len(set(differing[name])), reverse=True)
        if len(set(differing[columns])) <= _WIDEST:
            return _grid(jobs, (rows, differing[rows]), (columns, differing[columns]))
    table = Table(*differing or ("job",), "state", box=box.SIMPLE_HEAD, show_edge=False)
    for number, each in enumerate(jobs):
        values = [values[number] for values in differing.values()] or [each.job.name]
        table.add_row(*map(Text, values), _cell(each))
    return table


def _grid(
    jobs: list[JobState], rows: tuple[str, list[str]], columns: tuple[str, list[str]]
) -> Table:
    """One factor down, the other across; each with its value for every job."""
    (down, down_values), (across, across_values) = rows, columns
    headings = list(dict.fromkeys(across_values))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column(Text(down))
    for value in headings:
        table.add_column(Text(f"{across}={value}"))
    cells = dict(zip(zip(down_values, across_values, strict=True), jobs, strict=True))
    for value in dict.fromkeys(down_values):
        found = (cells.get((value, heading)) for heading in headings)
        table.add_row(Text(value), *(_NO_JOB if each is None else _cell(each) for each in found))
    return table


def _cell(each: JobState) -> Text:
    told = _told(each.state)
    return told.append(f" {each.detail}") if each.state is State.running else told


def _told(state: State) -> Text:
    return Text(state.value, style=_COLOURS[state])


def _names(jobs: list[JobState]) -> list[str]:
    """What tells the jobs apart; their whole names where nothing does."""
    differing = factors([each.job for each in jobs])
    return [
        " ".join(f"{name}={values[number]}" for name, values in differing.items() if values[number])
        or each.job.name
        for number, each in enumerate(jobs)
    ]
