"""What a look at one thing found, and what to do about it."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How bad it is."""

    ok = "ok"
    warning = "warning"  # a run works, but slower, or with less than was asked for
    problem = "problem"  # a run fails


@dataclass(frozen=True)
class Finding:
    """One line of a diagnosis."""

    subject: str
    state: State
    said: str  # what there is
    remedy: str = ""  # what to do about it, unless it is ok

    def __post_init__(self) -> None:
        if (self.state is State.ok) == bool(self.remedy):
            raise ValueError(f"what is not ok has a remedy, and nothing else: {self}")


def ok(subject: str, said: str) -> Finding:
    """All is well."""
    return Finding(subject, State.ok, said)


def warning(subject: str, said: str, remedy: str) -> Finding:
    """A run works nonetheless."""
    return Finding(subject, State.warning, said, remedy)


def problem(subject: str, said: str, remedy: str) -> Finding:
    """A run fails."""
    return Finding(subject, State.problem, said, remedy)


def gigabytes(size_bytes: float) -> str:
    """A size as it is told: 3.2 GB, or in MB where it is small."""
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:,.0f} MB"
