"""Which cases of a test the default suite runs."""

from collections.abc import Iterable
from typing import Any

import pytest


def first(count: int, cases: Iterable[Any]) -> list[Any]:
    """So many of the cases; those after them are marked slow, and run by ``make test-slow``."""
    listed = list(cases)
    return listed[:count] + [_slow(case) for case in listed[count:]]


def _slow(case: Any) -> Any:
    values = case if type(case) is tuple else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)
