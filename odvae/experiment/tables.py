"""The tables that a command ends with, by what its runs were for."""

from collections.abc import Sequence

from rich.console import Console

from odvae.config import Task
from odvae.experiment.generation_table import print_generations
from odvae.experiment.paper_table import print_papers_table
from odvae.experiment.protocols import by_protocol, heading, suffix
from odvae.experiment.seeds_table import print_over_seeds
from odvae.experiment.speed_table import print_speeds
from odvae.experiment.table import Summary, summarise
from odvae.tracking import LoggedRun

_SCORELESS = {Task.benchmark.value, Task.encode.value}


def print_tables(runs: Sequence[LoggedRun], console: Console) -> dict[str, Summary]:
    """Print the tables of the models, one a protocol, of what was generated on their latents, one
    a protocol of that, and one of the benchmarks; returns them by the names of their files.
    """
    printed: dict[str, Summary] = {}
    scored = models(runs)
    groups = by_protocol(scored)
    for same in groups:
        name = "summary" + (suffix(same) if len(groups) > 1 else "")
        printed[name] = summarise(same)
        console.print(heading(same), highlight=False, markup=False, soft_wrap=True)
        printed[name].print(console)
        for key, table in print_over_seeds(same, console).items():
            printed[name.replace("summary", key)] = table
    if scored:
        print_papers_table(scored, console)
        printed |= print_generations(scored, console)
    if measured := [run for run in runs if _is_benchmark(run)]:
        printed["benchmark"] = print_speeds(measured, console)
    return printed


def models(runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """The runs that trained or evaluated a model."""
    return [run for run in runs if run.tags.get("task") not in _SCORELESS]


def _is_benchmark(run: LoggedRun) -> bool:
    return run.tags.get("task") == Task.benchmark.value
