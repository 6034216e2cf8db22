"""What makes two trials comparable, kept with the study: a command that differs is refused."""

import json
import uuid
from typing import Any

from odvae.config import RunConfig, Task
from odvae.config_identity import NOT_IDENTITY
from odvae.errors import UserError
from odvae.experiment.heldout import HeldOut
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.space import Choice, Dimension
from odvae.experiment.study.storage import SharedStudy
from odvae.training.precision import resolve

_FACTS, _IDENTITY = "odvae.facts", "odvae.study"
_SPACE = "hydra.sweeper.space."
_MOST_NAMED = 3
_READS_CLIPS = {Task.train, Task.evaluate}

Facts = dict[str, Any]  # what JSON can hold


def facts_of(plan: StudyPlan, first: RunConfig) -> Facts:
    """What all tries of a study have in common.

    Args:
        first: the run at the first edge of its space.
    """
    arithmetic = resolve(first.trainer.device, first.trainer.precision)
    pairs = zip(plan.directions, plan.metrics, strict=True)
    facts: Facts = {
        "hydra.sweeper.objectives": [f"{direction.value} {metric}" for direction, metric in pairs],
        "device and precision": f"{arithmetic.device.type} {arithmetic.precision.value}",
    }
    for name, dimension in plan.space.items():
        facts[_SPACE + name] = _said(dimension)
    fields = first.flat().items()
    facts |= {name: value for name, value in fields if name not in {*NOT_IDENTITY, *plan.space}}
    if first.task in _READS_CLIPS:
        facts["what the clips are"] = HeldOut.open(first, batch=1).fingerprint()
    plain: Facts = json.loads(json.dumps(facts))  # as it is read back
    return plain


def claim(shared: SharedStudy, facts: Facts) -> str:
    """Keep the facts with a new study, or compare them with its own; returns its identity.

    Raises:
        UserError: the study is about something else.
    """
    with shared.speaking(), shared.locks.deciding():
        kept = shared.study.user_attrs
        if _FACTS not in kept:
            kept = {_FACTS: facts, _IDENTITY: uuid.uuid4().hex}
            for name, value in kept.items():
                shared.study.set_user_attr(name, value)
    _compare(shared.study.study_name, kept[_FACTS], facts)
    identity: str = kept[_IDENTITY]
    return identity


def _compare(study: str, kept: Facts, given: Facts) -> None:
    """Fields of the runs that another version of odvae did not have are not compared."""
    names = [name for name in given if name in kept] + sorted(
        name for name in kept.keys() ^ given.keys() if name.startswith(_SPACE)
    )
    differences = [
        f"{name} is {_short(kept, name)} in it, {_short(given, name)} here"
        for name in names
        if kept.get(name) != given.get(name)
    ]
    if differences:
        more = len(differences) - _MOST_NAMED
        named = "; ".join(differences[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(f"study {study}: {named}; hydra.sweeper.name=NAME begins another")


def _short(facts: Facts, name: str) -> str:
    if name not in facts:
        return "not varied"
    value = facts[name]
    return value if isinstance(value, str) else json.dumps(value)


def _said(dimension: Dimension) -> str:
    """As a person would write it."""
    if isinstance(dimension, Choice):
        return json.dumps(dimension.values)
    step = "" if dimension.step is None else f" by {dimension.step:g}"
    return f"{dimension.low:g} to {dimension.high:g}{step}{', log' if dimension.log else ''}"
