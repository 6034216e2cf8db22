"""Runs that agree in all but the seed, and the words that tell such groups apart."""

from collections.abc import Iterable, Sequence

from odvae.config_identity import GENERATION_FIELDS, NOT_IDENTITY, OTHER_TASKS
from odvae.config_sections import Task
from odvae.experiment.protocols import FINGERPRINT_TAG, NAME_TAG
from odvae.experiment.table import label
from odvae.tracking import LoggedRun

# What a run was, in the order in which it is told. A hash of settings says less than its fields.
_TAGS = (
    *("model", "variant", "init", "operators", "tiling", "task", "preset", "data", "image_vae"),
    *("weights.sha256", "lpips_loss", "precision", "device", FINGERPRINT_TAG),
)
_WORDS = {"weights.sha256": "weights", FINGERPRINT_TAG: NAME_TAG}  # tags that say it readably
_METHOD = {"model", "variant"}  # told together
# Sizes are another method's own matter, and a protocol's name says what its fields do.
_STANDS_FOR = {"model": "model.", FINGERPRINT_TAG: "metrics.protocol."}
# What tags tell of already, what follows from the rest, and the seed itself.
_LEFT_OUT = NOT_IDENTITY | OTHER_TASKS
_LEFT_OUT |= {"seed", "parameters", "model.name", "init.how", "metrics.protocol.name"}
_LEFT_OUT |= {"tiling.mode", "data.source", "image_vae.source"}
_OF_GENERATION = GENERATION_FIELDS - NOT_IDENTITY


def configuration(run: LoggedRun) -> dict[str, str]:
    """All that determined what a run did, by name, but for its seed."""
    generates = run.tags.get("task") == Task.generate.value
    left_out = _LEFT_OUT - _OF_GENERATION if generates else _LEFT_OUT
    params = {name: value for name, value in run.params.items() if name not in left_out}
    tags = {name: value for name in _TAGS if (value := run.tags.get(name, ""))}
    return params | tags


def seed_of(run: LoggedRun) -> str:
    """The seed of a run; empty for what has none."""
    return run.tags.get("seed", "")


def by_configuration(runs: Iterable[LoggedRun]) -> list[dict[str, LoggedRun]]:
    """Groups of runs that agree in all but the seed, by seed; of equal runs the newest counts.

    Groups come in the order of their first runs.
    """
    groups: dict[frozenset[tuple[str, str]], dict[str, LoggedRun]] = {}
    for run in runs:
        group = groups.setdefault(frozenset(configuration(run).items()), {})
        known = group.get(seed_of(run))
        if known is None or run.started > known.started:
            group[seed_of(run)] = run
    return [dict(sorted(group.items(), key=_in_order_of_seeds)) for group in groups.values()]


def tell_apart(runs: Sequence[LoggedRun]) -> list[str]:
    """A name for each of several configurations, given by a run of each: what differs, in words.

    A preset stands for all that it sets. A single configuration is called by its method.
    """
    known = [configuration(run) for run in runs]
    names = _told({name for one in known for name in one if _differs(name, known)})
    words = [", ".join(_words(run, names)) or label(run) for run in runs]
    return [
        f"{text}, run {run.run_id[:8]}" if words.count(text) > 1 else text
        for text, run in zip(words, runs, strict=True)
    ]


def _differs(name: str, configurations: Sequence[dict[str, str]]) -> bool:
    return len({one.get(name) for one in configurations}) > 1


def _told(differing: set[str]) -> list[str]:
    """Which of the names that differ are told, in order."""
    tags = [name for name in _TAGS if name in differing]
    if "preset" in differing:
        return tags
    params = sorted(differing - set(_TAGS))
    for tag, fields in _STANDS_FOR.items():
        if tag in differing:
            params = [name for name in params if not name.startswith(fields)]
    return tags + params


def _words(run: LoggedRun, names: Sequence[str]) -> list[str]:
    words = [label(run)] if _METHOD & set(names) else []
    for name in names:
        if name not in _METHOD:
            value = run.tags.get(_WORDS.get(name, name)) or configuration(run).get(name)
            words += [f"{_WORDS.get(name, name)} {value}"] if value else []
    return words


def _in_order_of_seeds(entry: tuple[str, LoggedRun]) -> tuple[int, str]:
    return len(entry[0]), entry[0]  # 2 before 10
