"""The most that MLflow takes in one call."""

from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

METRICS_PER_CALL = 1000
PAIRS_PER_CALL = 100  # parameters, tags


def chunks(items: list[T], most: int) -> Iterator[list[T]]:
    """A list in pieces of so many items."""
    return (items[start : start + most] for start in range(0, len(items), most))
