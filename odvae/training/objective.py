"""What a training is about: players, what each minimises, and on which batches."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from odvae.training.state import MODEL


@dataclass(frozen=True)
class Losses:
    """What a step is about."""

    terms: Mapping[str, Tensor]  # named and weighted: their sum is minimised
    health: Mapping[str, Tensor] = field(default_factory=dict)  # reported beside them


@dataclass(frozen=True)
class Place:
    """Where clips stand in a training. Their noise is a function of it, not of who computes it."""

    step: int
    first_clip: int = 0  # number of the first of these clips in the batch of the step


Loss = Callable[[Tensor, Place], Losses]  # of clips of a batch


def constant(step: int) -> float:
    """The paper's schedule: the learning rate stays what it is."""
    return 1.0


def model_only(step: int) -> str:
    """There is one player."""
    return MODEL


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is trained: where batches come from and what each player minimises on them."""

    batches: Callable[[int, int, int], Iterator[Tensor]]  # (first step, end step, data round)
    losses: Mapping[str, Loss]  # by player
    turn: Callable[[int], str] = model_only  # step -> the player that learns
    schedule: Callable[[int], float] = constant  # step -> factor on every learning rate
    gradient_clip: float | None = None  # the gradient's norm at most
