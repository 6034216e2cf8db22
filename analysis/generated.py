"""Choosing generations: sets of runs whose generators and scores are alike, by what differs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pandas as pd

from analysis.comparable import COLUMN, EVALUATION, HELD, SETTING, is_odvae
from analysis.runs import NoRuns, Runs
from analysis.selection import Selection, restricted
from odvae.errors import UserError
from odvae.vaes.methods import OWN

By = Literal["variant", "init", "model"]
FACTORS: tuple[By, ...] = ("variant", "init", "model")

COMMANDS: dict[By, str] = {
    "variant": "python -m odvae.run -m task=generate variant=1,2,3,4 init=tail",
    "init": "python -m odvae.run -m task=generate init=random,inflate,tail",
    "model": "python -m odvae.run -m task=generate model=odvae,sd_vae,svd_vae",
}

_SAME_GENERATOR = ("generation.protocol", "generator")
# Of different VAEs; speed and memory are of one kind of device and one precision.
_SAME_TASK = (*EVALUATION, "precision", "device", *_SAME_GENERATOR)

_ONLY = (*SETTING, *HELD["variant"], *HELD["init"])
# What says how a VAE was trained, where odvae trained it.
_OF_TRAINING = ("train.steps", "model.width", "image_vae")


def choose(
    generations: Runs,
    *,
    by: Sequence[By] = FACTORS,
    only: Mapping[str, str] | None = None,
    least_levels: int = 1,
) -> list[Selection]:
    """For each generation protocol the largest comparable set of runs; the largest one first.

    Of a protocol the set with the most levels is taken, whatever of ``by`` it differs in. Where
    nothing was logged, recorded runs are looked at.

    Args:
        generations: what ``load_generations`` gives.
        by: what may be compared.
        only: columns and the values they must have.
        least_levels: how many different levels a set needs.

    Raises:
        UserError: ``only`` names no column.
    """
    for some in filter(None, (generations, generations.recorded)):
        table = restricted(some.table, only or {}, allowed=_ONLY)
        found = [
            _largest(Runs(some.store, alike), by, least_levels=least_levels)
            for _, alike in table.groupby("generation.protocol", sort=False)
        ]
        selections = [one for one in found if one is not None]
        if selections:
            return sorted(selections, key=lambda one: -len(one.runs.table))
    return []


def largest(
    generations: Runs,
    *,
    by: Sequence[By] = FACTORS,
    only: Mapping[str, str] | None = None,
    least_levels: int = 1,
) -> Selection:
    """The first of ``choose``. Raises NoRuns, with the command that makes runs."""
    found = choose(generations, by=by, only=only, least_levels=least_levels)
    if not found:
        wanted = "".join(f" with {name}={value}" for name, value in (only or {}).items())
        raise NoRuns(f"no finished generations{wanted}; make them: {COMMANDS[by[0]]}")
    return found[0]


def of_one_task(
    table: pd.DataFrame, *, only: Mapping[str, str] | None = None
) -> Iterator[pd.DataFrame]:
    """Sets of runs whose generators and scores are alike, whatever their VAEs differ in.

    Raises UserError when ``only`` names no column.
    """
    rows = _told_apart(restricted(table, only or {}, allowed=_ONLY))
    return (group for _, group in rows.groupby([*_SAME_TASK], sort=False))


def factor(name: str) -> By:
    """A factor by its name. Raises UserError for one by which generations are not compared."""
    for known in FACTORS:
        if name == known:
            return known
    raise UserError(f"--by must be one of {', '.join(FACTORS)} for task=generate, got {name}")


def facts(selection: Selection) -> str:
    """The protocol that the samples were scored by, and what it is."""
    known = selection.runs.table["generation.facts"].iloc[0]
    return f"Generation protocol {selection.setting['generation.protocol']}: {known}"


def _largest(runs: Runs, by: Sequence[By], *, least_levels: int) -> Selection | None:
    sets = [
        (alike, one)
        for one in by
        for alike in _sets(runs.table, one)
        if alike[COLUMN[one]].nunique() >= least_levels
    ]
    if not sets:
        return None
    # Of equals the first factor names the levels in the fewest words.
    table, one = max(sets, key=lambda found: _worth(found[0], COLUMN[found[1]]))
    return Selection(Runs(runs.store, table), one, _shared(table, one))


def _worth(table: pd.DataFrame, column: str) -> tuple[int, int, float]:
    return table[column].nunique(), len(table), table["started"].max()


def _sets(table: pd.DataFrame, by: By) -> Iterator[pd.DataFrame]:
    """Comparable sets; a configuration that was run again counts once."""
    if by == "model":
        rows, alike = _told_apart(table[_stands_for_its_method(table)]), _SAME_TASK
    else:
        rows, alike = table[is_odvae(table)], (*SETTING, *HELD[by])
    for _, group in rows.groupby(list(alike), sort=False):
        yield group.sort_values("started").drop_duplicates([COLUMN[by], "seed"], keep="last")


def _stands_for_its_method(table: pd.DataFrame) -> "pd.Series[bool]":
    """Rivals, and OD-VAEs that start as the paper's or were given."""
    return ~is_odvae(table) | table["init"].isin(["tail", "checkpoint"])


def _told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The runs, with the beginning of a hash where one method has several saved weights."""
    weights = table["weights.sha256"]
    several = weights.groupby(table["method"]).transform("nunique") > 1
    return table.assign(
        method=table["method"].where(~several, table["method"] + " " + weights.str[:6])
    )


def _shared(table: pd.DataFrame, by: By) -> dict[str, str]:
    names = (*SETTING, *HELD[by], "protocol.name")
    if (table["weights"] != OWN).any():
        names = tuple(name for name in names if name not in _OF_TRAINING)
    return {name: str(table[name].iloc[0]) for name in names if table[name].nunique() == 1}
