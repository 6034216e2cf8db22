"""The tables that a command ends with, by what its runs were for."""

from collections.abc import Sequence

from rich.console import Console

from odvae.config import Task
from odvae.experiment.paper_table import print_papers_table
from odvae.experiment.speed_table import print_speeds
from odvae.experiment.table import Summary, summarise
from odvae.tracking import LoggedRun


def print_tables(runs: Sequence[LoggedRun], console: Console) -> dict[str, Summary]:
    """Print a table of the models and one of the benchmarks among the runs; returns them."""
    printed = {}
    if scored := models(runs):
        printed["summary"] = summarise(scored)
        printed["summary"].print(console)
        print_papers_table(scored, console)
    if measured := [run for run in runs if _is_benchmark(run)]:
        printed["benchmark"] = print_speeds(measured, console)
    return printed


def models(runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """The runs that trained or evaluated a model."""
    return [run for run in runs if not _is_benchmark(run)]


def _is_benchmark(run: LoggedRun) -> bool:
    return run.tags.get("task") == Task.benchmark.value
