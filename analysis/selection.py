"""Runs that may stand in one figure: they agree in all but what is compared, and the seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import pandas as pd

from analysis.looks import in_order
from analysis.runs import PARAMS, NoRuns, Runs
from analysis.terms import TERMS
from odvae.errors import UserError
from odvae.vaes.methods import Method

Factor = Literal["variant", "init", "model", "objective"]

SETTING = (
    *("preset", "data", "operators", "tiling", "image_vae", "protocol", "setting"),
    *("precision", "device", "lpips_loss", *PARAMS),
)
"""What must be the same: numbers from different protocols or presets do not compare."""

COMMANDS: dict[Factor, str] = {
    "variant": "python -m odvae.run -m +experiment=variants",
    "init": "python -m odvae.run -m +experiment=inits",
    "model": "python -m odvae.run -m +experiment=reconstruction",
    "objective": "python -m odvae.run -m +experiment=losses",
}

# What was evaluated alike, however it was trained: the clips, their size and their tiles.
_EVALUATION = (
    *("data", "protocol", "tiling"),
    *("tiling.group_frames", "data.clip_frames", "data.size_px"),
)
# Of objectives: both of these follow from their terms.
_OF_TERMS = ("setting", "lpips_loss")
_HELD: dict[Factor, tuple[str, ...]] = {
    "variant": ("init",),
    "init": ("variant",),
    "model": ("init",),
    "objective": ("variant", "init", "setting_but_terms"),
}
_COLUMNS: dict[Factor, str] = {
    "variant": "variant",
    "init": "init",
    "model": "method",
    "objective": "objective",
}
# Of methods: how OD-VAE was chosen to start, its fullest variant and the one the paper chose.
_INIT = "tail"
_VARIANTS = ("1", "4")


@dataclass(frozen=True)
class Selection:
    """Comparable runs, at most one for each level of ``by`` and seed."""

    runs: Runs
    by: Factor
    setting: dict[str, str]  # what all of them share; of methods, what those trained here share

    @property
    def column(self) -> str:
        """Column of the table that holds the levels."""
        return _COLUMNS[self.by]

    @property
    def levels(self) -> list[str]:
        """What is compared, in the order to show it."""
        return in_order(self.by, set(self.runs.table[self.column]))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that any of these runs logged."""
        names = self.runs.table.dropna(axis="columns", how="all").columns
        return [str(name) for name in names if "/" in str(name)]

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

    Variants, initialisations and objectives are those of OD-VAE, trained; a term that several
    objectives have counts the same in each. Models are methods: trained at equal budget, and saved
    ones evaluated on the same clips; OD-VAE takes part with variants 1 and 4, started from the
    image VAE's tail.

    Args:
        runs: all runs.
        by: what is compared; the other factors are held.
        only: columns and the values they must have.
        least_levels: how many different levels of ``by`` the set needs.

    Raises:
        NoRuns: there is no such set.
        UserError: ``only`` names no column.
    """
    held = _HELD[by]
    table = _restricted(runs.table, only or {}, allowed=(*SETTING, *held))
    sets = [
        newest
        for group in _comparable(table, by)
        if (newest := _newest_of_each(group, _COLUMNS[by]))[by].nunique() >= least_levels
    ]
    if not sets:
        wanted = "".join(f" with {name}={value}" for name, value in (only or {}).items())
        what = f"that differ in {by} alone" if least_levels > 1 else "yet"
        raise NoRuns(f"no finished runs{wanted} {what}; make them: {COMMANDS[by]}")
    largest = max(sets, key=lambda group: (len(group), group["started"].max()))
    return Selection(Runs(runs.store, largest), by, _shared(largest, held))


def _restricted(
    table: pd.DataFrame, only: Mapping[str, str], *, allowed: tuple[str, ...]
) -> pd.DataFrame:
    for name, value in only.items():
        if name not in allowed:
            raise UserError(f"only={name} must be one of {', '.join(allowed)}")
        table = table[table[name] == value]
    return table


def _comparable(table: pd.DataFrame, by: Factor) -> Iterator[pd.DataFrame]:
    match by:
        case "model":
            return _methods(table)
        case "objective":
            return _objectives(table)
        case "variant" | "init":
            return _ablations(table, [*SETTING, *_HELD[by]])


def _ablations(table: pd.DataFrame, alike: list[str]) -> Iterator[pd.DataFrame]:
    """Trainings of OD-VAE that share the columns ``alike``."""
    trained = table[_is_odvae(table) & _is_trained(table)]
    return (group for _, group in trained.groupby(alike, sort=False))


def _objectives(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Trainings of OD-VAE with and without terms, each of which is shaped in one way only."""
    alike = [name for name in SETTING if name not in _OF_TERMS]
    for group in _ablations(table, [*alike, *_HELD["objective"]]):
        for with_lpips, with_gan in product(*(_ways(group[list(f)]) for f in TERMS.values())):
            yield group[with_lpips & with_gan]


def _ways(fields: pd.DataFrame) -> "list[pd.Series[bool]]":
    """For each shape that a term has: the runs where it has that one, or takes no part."""
    without = (fields == "").all(axis="columns")
    shapes = fields[~without].drop_duplicates()
    if shapes.empty:
        return [without]
    return [without | (fields == shape).all(axis="columns") for _, shape in shapes.iterrows()]


def _methods(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Trainings of several methods at one budget, each with all evaluations of the same clips."""
    if "eval/psnr_db" not in table:
        return
    # Its operators are OD-VAE's own matter; that they agree, the setting's hash sees to.
    budget = [name for name in SETTING if name not in ("operators", *_EVALUATION)]
    for _, same_clips in table.groupby(list(_EVALUATION), sort=False):
        is_trained = _is_trained(same_clips)
        # A method that cannot be had leaves an evaluation without scores. Saved weights have no
        # seed: the newest evaluation of a method counts.
        evaluated = same_clips[~is_trained].dropna(subset=["eval/psnr_db"]).assign(seed="")
        trained = same_clips[is_trained & _takes_part(same_clips)]
        yield evaluated
        for _, group in trained.groupby(budget, sort=False):
            yield pd.concat([group, evaluated])


def _takes_part(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which trainings are compared with other methods; theirs may name no initialisation."""
    ours = _is_odvae(table)
    return table["init"].isin([_INIT, ""]) & (~ours | table["variant"].isin(_VARIANTS))


def _is_odvae(table: pd.DataFrame) -> "pd.Series[bool]":
    return table["model"] == Method.odvae.value


def _is_trained(table: pd.DataFrame) -> "pd.Series[bool]":
    return table["task"] == "train"


def _newest_of_each(group: pd.DataFrame, column: str) -> pd.DataFrame:
    """A configuration that was run again counts once."""
    return group.sort_values("started").drop_duplicates([column, "seed"], keep="last")


def _shared(table: pd.DataFrame, held: tuple[str, ...]) -> dict[str, str]:
    """What the trainings share, OD-VAE's if there are any; without one, how all were evaluated."""
    trained = table[_is_trained(table)]
    ours = trained[_is_odvae(trained)]
    rows = next(some for some in (ours, trained, table) if len(some))
    names = (*SETTING, *held) if len(trained) else _EVALUATION
    return {name: str(rows[name].iloc[0]) for name in names if rows[name].nunique() == 1}
