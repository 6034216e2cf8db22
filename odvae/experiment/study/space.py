"""What a study varies: for every field a range or choices, and how they are said to a run."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from odvae.config import RunConfig, field_names, unknown_field
from odvae.errors import UserError

Value = str | int | float | bool | None
_WHERE = "hydra.sweeper.space"
_OF_A_RANGE = {"low", "high", "log", "step"}
_MOST_GRID_POINTS = 100_000
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z_][\w./-]*")
_MEANS_SOMETHING = {"null", "true", "false", "nan", "inf"}  # unless it is quoted


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from low to high, both included; of a field of whole numbers, whole ones.

    From one to the other it is a whole number of steps.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values at the edge."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    @property
    def points(self) -> tuple[Value, ...] | None:
        """All values; None: there is no end of them."""
        if self.whole:
            return tuple(range(int(self.low), int(self.high) + 1, int(self.step or 1)))
        if self.step is None:
            return None
        count = round((self.high - self.low) / self.step) + 1
        return tuple(self.low + index * self.step for index in range(count))


@dataclass(frozen=True)
class Choice:
    """Some values."""

    values: tuple[Value, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        """All of them: none lies between others."""
        return self.values

    @property
    def points(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values


Dimension = Range | Choice
Space = dict[str, Dimension]  # by the field's dotted name, or the group's


def read_space(given: Mapping[str, Any], groups: Collection[str]) -> Space:
    """The space that a configuration describes.

    Args:
        given: dicts that end in low, high, log and step, or in choices. Names of fields may be
            nested or dotted.
        groups: names that choose a file of ``conf/``, which are no fields.

    Raises:
        UserError: a name is no field of a run, or what is said of it makes no sense.
    """
    space = dict(_dimensions(given, "", groups))
    if not space:
        raise UserError(f"{_WHERE} is empty: study=NAME chooses one")
    return space


def word(name: str, value: Value) -> str:
    """FIELD=VALUE as it is typed; numbers to six digits."""
    match value:
        case None:
            text = "null"
        case bool():
            text = str(value).lower()
        case float():
            text = f"{value:.6g}"
        case str() if not _NEEDS_NO_QUOTES.fullmatch(value) or value in _MEANS_SOMETHING:
            # A backslash is itself, unless a quote follows.
            escaped = re.sub(r"(\\*)('|$)", r"\1\1\2", value).replace("'", "\\'")
            text = f"'{escaped}'"
        case _:
            text = str(value)
    return f"{name}={text}"


def shown(value: Value) -> str:
    """A value for a person, numbers to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else word("", value)[1:]


def edges(space: Space) -> list[list[str]]:
    """Words of the runs at the edge of a space: the first values, then one of the others each."""
    first = {name: dimension.ends[0] for name, dimension in space.items()}
    corners = [first]
    for name, dimension in space.items():
        corners += [first | {name: value} for value in dimension.ends[1:]]
    return [[word(name, value) for name, value in corner.items()] for corner in corners]


def grid(space: Space) -> list[dict[str, Value]]:
    """Every combination, the last field changing first.

    Raises:
        UserError: a range has no end of values, or there are too many.
    """
    combinations: list[dict[str, Value]] = [{}]
    for name, dimension in space.items():
        if dimension.points is None:
            raise UserError(
                f"{_WHERE}.{name}: hydra.sweeper.sampler=grid needs its choices or its step"
            )
        if len(combinations) * len(dimension.points) > _MOST_GRID_POINTS:
            raise UserError(
                f"{_WHERE}: hydra.sweeper.sampler=grid takes up to {_MOST_GRID_POINTS} combinations"
            )
        combinations = [
            {**combination, name: value}
            for combination in combinations
            for value in dimension.points
        ]
    return combinations


def _dimensions(
    given: Mapping[str, Any], prefix: str, groups: Collection[str]
) -> list[tuple[str, Dimension]]:
    found: list[tuple[str, Dimension]] = []
    for key, value in given.items():
        name = prefix + key
        if not isinstance(value, Mapping):
            raise UserError(
                f"{_WHERE}.{name} must be low and high, or choices, as in "
                f"{{low: 1, high: 2}}, got {value}"
            )
        if not value.keys() & (_OF_A_RANGE | {"choices"}):
            found += _dimensions(value, f"{name}.", groups)
            continue
        if name not in groups and name not in field_names():
            raise UserError(f"{_WHERE}: {unknown_field(name)}")
        found.append((name, _dimension(name, value, is_group=name in groups)))
    return found


def _dimension(name: str, given: Mapping[str, Any], *, is_group: bool) -> Dimension:
    where = f"{_WHERE}.{name}"
    unknown = sorted(given.keys() - _OF_A_RANGE - {"choices"})
    if unknown:
        raise UserError(f"{where}.{unknown[0]} must be one of low, high, log, step, choices")
    if "choices" in given:
        if len(given) > 1:
            raise UserError(f"{where} must be a range or choices, got both")
        return _choice(where, given["choices"])
    kinds = set() if is_group else _kinds(name)
    if not kinds & {int, float}:
        raise UserError(f"{where}: low and high are for numbers; it takes choices")
    return _range(where, given, whole=float not in kinds)


def _choice(where: str, values: object) -> Choice:
    some = values if isinstance(values, list) else []
    are_plain = all(isinstance(value, Value) for value in some)
    if not some or not are_plain or len({repr(value) for value in some}) < len(some):
        raise UserError(f"{where}.choices must be a list of different values, got {values}")
    return Choice(tuple(some))


def _range(where: str, given: Mapping[str, Any], *, whole: bool) -> Range:
    log, step = given.get("log", False), given.get("step")
    if not isinstance(log, bool):
        raise UserError(f"{where}.log must be true or false, got {log}")
    low = _number(f"{where}.low", given.get("low"), whole=whole)
    high = _number(f"{where}.high", given.get("high"), whole=whole)
    step = None if step is None else _number(f"{where}.step", step, whole=whole)
    if not low < high:
        raise UserError(f"{where}.high must be above low={low:g}, got {high:g}")
    if log and low <= 0:
        raise UserError(f"{where}.low must be above 0 with log, got {low:g}")
    if step is not None and (log or not 0 < step <= high - low):
        raise UserError(f"{where}.step must fit between low and high, without log, got {step:g}")
    if step is not None:
        high = low + math.floor((high - low) / step + 1e-9) * step
    return Range(low=low, high=high, log=log, step=step, whole=whole)


def _number(where: str, value: object, *, whole: bool) -> float:
    kind = "a whole number" if whole else "a number"
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UserError(f"{where} must be {kind}, got {value}")
    if whole and value != int(value):
        raise UserError(f"{where} must be {kind}, got {value}")
    return float(value)


def _kinds(name: str) -> set[object]:
    """The types that a field takes."""
    kind: Any = RunConfig
    for part in name.split("."):
        kind = get_type_hints(kind)[part]
    return {kind, *get_args(kind)}
