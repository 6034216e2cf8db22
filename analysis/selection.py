"""Runs that may stand in one figure: they agree in all but what is compared, and the seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.looks import in_order
from analysis.runs import PARAMS, NoRuns, Runs
from odvae.errors import UserError

Factor = Literal["variant", "init"]

SETTING = (
    *("preset", "data", "operators", "tiling", "image_vae", "protocol", "setting"),
    *("precision", "device", "lpips_loss", *PARAMS),
)
"""What must be the same: numbers from different protocols or presets do not compare."""

COMMANDS: dict[Factor, str] = {
    "variant": "python -m odvae.run -m +experiment=variants",
    "init": "python -m odvae.run -m +experiment=inits",
}


@dataclass(frozen=True)
class Selection:
    """Comparable runs, at most one for each level of ``by`` and seed."""

    runs: Runs
    by: Factor
    setting: dict[str, str]  # what all of them share

    @property
    def levels(self) -> list[str]:
        """What is compared, in the order to show it."""
        return in_order(self.by, set(self.runs.table[self.by]))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that any of these runs logged."""
        names = self.runs.table.dropna(axis="columns", how="all").columns
        return [str(name) for name in names if "/" in str(name)]

    def last(self, metric: str) -> pd.DataFrame:
        """Last values of a metric: columns level, seed, value; runs without one are left out."""
        table = self.runs.table
        values = table[metric] if metric in table else pd.Series(float("nan"), index=table.index)
        columns = {"level": table[self.by], "seed": table["seed"], "value": values}
        return pd.DataFrame(columns).dropna()

    def history(self, metric: str) -> pd.DataFrame:
        """All values of a metric: columns level, seed, step, value."""
        table = self.runs.table
        rows = [
            (level, seed, step, value)
            for run_id, level, seed in zip(
                table["run_id"], table[self.by], table["seed"], strict=True
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

    Args:
        runs: all runs.
        by: what is compared; the other factor is held.
        only: columns and the values they must have.
        least_levels: how many different levels of ``by`` the set needs.

    Raises:
        NoRuns: there is no such set.
        UserError: ``only`` names no column.
    """
    held = "init" if by == "variant" else "variant"
    table = _restricted(runs.table, only or {}, allowed=(*SETTING, held))
    sets = [
        newest
        for _, group in table.groupby([*SETTING, held], sort=False)
        if (newest := _newest_of_each(group, by))[by].nunique() >= least_levels
    ]
    if not sets:
        wanted = "".join(f" with {name}={value}" for name, value in (only or {}).items())
        what = f"that differ in {by} alone" if least_levels > 1 else "yet"
        raise NoRuns(f"no finished runs{wanted} {what}; make them: {COMMANDS[by]}")
    largest = max(sets, key=lambda group: (len(group), group["started"].max()))
    setting = {name: str(largest[name].iloc[0]) for name in (*SETTING, held)}
    return Selection(Runs(runs.store, largest), by, setting)


def _restricted(
    table: pd.DataFrame, only: Mapping[str, str], *, allowed: tuple[str, ...]
) -> pd.DataFrame:
    for name, value in only.items():
        if name not in allowed:
            raise UserError(f"only={name} must be one of {', '.join(allowed)}")
        table = table[table[name] == value]
    return table


def _newest_of_each(group: pd.DataFrame, by: str) -> pd.DataFrame:
    """A configuration that was run again counts once."""
    return group.sort_values("started").drop_duplicates([by, "seed"], keep="last")
