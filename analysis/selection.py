"""Choosing the runs of a figure: the largest comparable set, logged or else recorded."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis import recorded
from analysis.comparable import (
    CLIPS,
    COLUMN,
    EVALUATION,
    HELD,
    SETTING,
    Factor,
    comparable_sets,
    is_odvae,
    is_trained,
)
from analysis.looks import in_order, is_frechet, sample_distances
from analysis.runs import NoRuns, Runs
from odvae.errors import UserError

COMMANDS: dict[Factor, str] = {
    "variant": "python -m odvae.run -m +experiment=variants",
    "init": "python -m odvae.run -m +experiment=inits",
    "start": "python -m odvae.run -m +experiment=inits operators=paper,strict",
    "model": "python -m odvae.run -m +experiment=reconstruction",
    "objective": "python -m odvae.run -m +experiment=losses",
    "tiling": "python -m odvae.run -m +experiment=tiling task=evaluate checkpoint=PATH",
}


@dataclass(frozen=True)
class Selection:
    """Comparable runs, at most one for each level of ``by`` and seed."""

    runs: Runs
    by: Factor
    setting: dict[str, str]  # what all of them share; of methods, what those trained here share

    @property
    def column(self) -> str:
        """Column of the table that holds the levels."""
        return COLUMN[self.by]

    @property
    def levels(self) -> list[str]:
        """What is compared, in the order to show it."""
        return in_order(self.by, set(self.runs.table[self.column]))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that any of these runs logged."""
        names = self.runs.table.dropna(axis="columns", how="all").columns
        return [str(name) for name in names if "/" in str(name)]

    @property
    def source(self) -> str:
        """Where the runs were recorded, in words; empty for those of the output folder."""
        return recorded.source(self.runs.table["recorded_in"])

    def mark(self, metric: str) -> str:
        """What a score has to be read with, in words; empty where nothing."""
        of_samples = metric in sample_distances([metric])
        tag = f"frechet{'_generation' if of_samples else ''}_rank_deficient"
        deficient = (self.runs.table[tag] == "True").any()
        return "rank-deficient" if deficient and is_frechet(metric) else ""

    def last(self, metric: str) -> pd.DataFrame:
        """Last values of a metric: columns level, seed, value; runs without one are left out."""
        table = self.runs.table
        values = table[metric] if metric in table else pd.Series(float("nan"), index=table.index)
        columns = {"level": table[self.column], "seed": table["seed"], "value": values}
        return pd.DataFrame(columns).dropna()

    def history(self, metric: str) -> pd.DataFrame:
        """All values of a metric: columns level, seed, step, value."""
        table = self.runs.table
        rows = [
            (level, seed, step, value)
            for run_id, level, seed in zip(
                table["run_id"], table[self.column], table["seed"], strict=True
            )
            for step, value in self.runs.store.history(run_id, metric)
        ]
        return pd.DataFrame(rows, columns=["level", "seed", "step", "value"]).dropna()

    def level_of(self, metric: str) -> float:
        """Mean of a metric over all these runs (a reference, the same in each); NaN for none."""
        table = self.runs.table
        return float(table[metric].mean()) if metric in table else float("nan")


def choose(
    runs: Runs, *, by: Factor, only: Mapping[str, str] | None = None, least_levels: int = 2
) -> Selection:
    """Select the largest set of runs that differ in ``by`` and the seed alone.

    Variants, initialisations, starts and objectives are those of OD-VAE, trained. A start is an
    initialisation with its operators; a term that several objectives have counts the same in each.
    Models are methods: trained at equal budget, and saved ones evaluated on the same clips; OD-VAE
    takes part with variants 1 and 4, started from the image VAE's tail. Tilings are those of saved
    OD-VAEs, one for each kind of operators, evaluated whole and tiled on the same clips.

    Where the runs hold no such set, it is looked for among the recorded ones.

    Args:
        runs: all runs.
        by: what is compared; the other factors are held.
        only: columns and the values they must have.
        least_levels: how many different levels of ``by`` the set needs.

    Raises:
        NoRuns: there is no such set.
        UserError: ``only`` names no column.
    """
    for some in (runs, runs.recorded):
        if some is not None:
            table = restricted(some.table, only or {}, allowed=(*SETTING, *HELD[by]))
            largest = _largest(table, by, least_levels=least_levels)
            if largest is not None:
                return Selection(Runs(some.store, largest), by, _shared(largest, by))
    wanted = "".join(f" with {name}={value}" for name, value in (only or {}).items())
    what = f"that differ in {by} alone" if least_levels > 1 else "yet"
    raise NoRuns(f"no finished runs{wanted} {what}; make them: {COMMANDS[by]}")


def restricted(
    table: pd.DataFrame, only: Mapping[str, str], *, allowed: tuple[str, ...]
) -> pd.DataFrame:
    """The runs with these values in these columns. Raises UserError for a column not allowed."""
    for name, value in only.items():
        if name not in allowed:
            raise UserError(f"only={name} must be one of {', '.join(allowed)}")
        table = table[table[name] == value]
    return table


def _largest(table: pd.DataFrame, by: Factor, *, least_levels: int) -> pd.DataFrame | None:
    column = "init" if by == "start" else by  # the same start by other operators is no comparison
    sets = [some for some in comparable_sets(table, by) if some[column].nunique() >= least_levels]
    return max(sets, key=lambda some: (len(some), some["started"].max()), default=None)


def _shared(table: pd.DataFrame, by: Factor) -> dict[str, str]:
    """What the trainings share, OD-VAE's if there are any; without one, how all were evaluated."""
    trained = table[is_trained(table)]
    ours = trained[is_odvae(trained)]
    rows = next(some for some in (ours, trained, table) if len(some))
    if by == "tiling":  # what a saved model was trained with, its runs do not know
        names: tuple[str, ...] = CLIPS
    else:
        names = (*SETTING, *HELD[by]) if len(trained) else EVALUATION
    names = (*names, "protocol.name")
    return {name: str(rows[name].iloc[0]) for name in names if rows[name].nunique() == 1}
