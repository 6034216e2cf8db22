"""Runs by what one types: ids, names, or filters such as ``variant=1,4``."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from odvae.config import Task
from odvae.errors import UserError
from odvae.experiment.levels import configuration, seed_of
from odvae.tracking import LoggedRun, Status

_OTHERS = {Task.benchmark.value, Task.encode.value, Task.generate.value}
_LEAST_ID = 4  # characters of an id that count as one
_FOREIGN = ("mlflow.", "odvae.")  # prefixes of tags that say nothing of what a run was
_LISTED = 8  # things that a message lists


@dataclass(frozen=True)
class Filter:
    """A tag or a parameter, and the values that it may have."""

    name: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, word: str) -> "Filter":
        """Read NAME=VALUE[,VALUE...]. Raises UserError for anything else."""
        name, _, values = word.partition("=")
        if not name or not values or "" in values.split(","):
            raise UserError(f"a filter is NAME=VALUE or NAME=VALUE,VALUE, got {word}")
        return cls(name, tuple(dict.fromkeys(values.split(","))))

    def place(self, run: LoggedRun) -> int | None:
        """Which of the values a run has; None: none of them."""
        value = _value(run, self.name)
        return self.values.index(value) if value in self.values else None


def find_runs(runs: Sequence[LoggedRun], words: Sequence[str]) -> list[LoggedRun]:
    """The finished trainings and evaluations that are meant, in the order in which they are.

    A word with ``=`` and without a space is a filter. A run that all filters let through is meant,
    in the order of their values; and so is each run that is called by its id, the beginning of its
    id, or its name.

    Args:
        runs: those of the store.

    Raises:
        UserError: a word finds nothing, or more than one thing.
    """
    finished = [run for run in runs if run.status == Status.FINISHED.value and _is_scored(run)]
    if not finished:
        raise UserError("there are no finished trainings or evaluations to compare")
    filters = [Filter.parse(word) for word in words if _is_filter(word)]
    called = [run for word in words if not _is_filter(word) for run in _called(word, runs)]
    found = called + (_filtered(finished, filters) if filters else [])
    return list({run.run_id: run for run in found}.values())


def _is_scored(run: LoggedRun) -> bool:
    return run.tags.get("task") not in _OTHERS


def _is_filter(word: str) -> bool:
    return "=" in word and " " not in word  # a run's name may be: variant=1 seed=0


def _value(run: LoggedRun, name: str) -> str | None:
    return run.tags[name] if name in run.tags else run.params.get(name)


def _called(word: str, runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """The run of an id, the one whose id begins so, or those of a name and one configuration."""
    found = [run for run in runs if word in run.ids]
    if not found and len(word) >= _LEAST_ID:
        found = [run for run in runs if any(one.startswith(word) for one in run.ids)]
        _check_single(word, found, what="ids begin so")
    if not found:
        found = [run for run in runs if run.name == word and run.status == Status.FINISHED.value]
        different = {_identity(run): run for run in found}
        _check_single(word, list(different.values()), what="different runs are called so; name ids")
    if not found:
        near = difflib.get_close_matches(word, {run.name for run in runs}, n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"{word} is neither id nor name of a finished run, nor a filter{hint}")
    for run in found:
        if run.status != Status.FINISHED.value:
            raise UserError(f"{word}: run {run.run_id[:8]} is not finished, but {run.status}")
    return found


def _identity(run: LoggedRun) -> tuple[frozenset[tuple[str, str]], str]:
    return frozenset(configuration(run).items()), seed_of(run)


def _check_single(word: str, found: Sequence[LoggedRun], *, what: str) -> None:
    if len(found) > 1:
        raise UserError(f"{word}: {len(found)} {what}: {_list(run.run_id[:8] for run in found)}")


def _filtered(runs: Sequence[LoggedRun], filters: Sequence[Filter]) -> list[LoggedRun]:
    for one in filters:
        _check_filter(one, runs)
    placed = [([one.place(run) for one in filters], run) for run in runs]
    found = [(place, run) for place, run in placed if None not in place]
    if not found:
        words = " ".join(f"{one.name}={','.join(one.values)}" for one in filters)
        raise UserError(f"no finished run has {words}")
    # In the order typed, not in that of the store.
    return [run for _, run in sorted(found, key=lambda entry: [place or 0 for place in entry[0]])]


def _check_filter(one: Filter, runs: Sequence[LoggedRun]) -> None:
    tags = {tag for run in runs for tag in run.tags if not tag.startswith(_FOREIGN)}
    params = {name for run in runs for name in run.params}
    if one.name not in tags | params:
        near = difflib.get_close_matches(one.name, tags | params, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(
            f"{one.name} is neither tag nor parameter of a run; {hint}"
            f"tags are {_list(sorted(tags), most=len(tags))}; parameters are the fields of a run"
        )
    known = {value for run in runs if (value := _value(run, one.name)) is not None}
    for value in one.values:
        if value not in known:
            raise UserError(
                f"no finished run has {one.name}={value}; there are {_list(sorted(known))}"
            )


def _list(words: Iterable[str], *, most: int = _LISTED) -> str:
    every = [word or "(nothing)" for word in words]
    return ", ".join(every[:most]) + (", ..." if len(every) > most else "")
