"""What to do when a step is not finite: leave it out, go back once, then stop and say why."""

import copy
import math
import statistics
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from odvae.errors import UserError

_GOOD_STEPS_SHOWN = 5
_HEALED_AFTER = 100  # times ``max_bad_steps`` good steps in a row: the roll-back has helped
_GROWTH = 10  # of the gradient's norm over the last good steps: it was diverging


class Verdict(Enum):
    """What the loop does with the step that was judged."""

    keep = "keep"  # let the optimisers step
    skip = "skip"  # leave weights, moments and average as they are; go on with the next batch
    roll_back = "roll_back"  # load the last checkpoint, go on with batches of the new data round
    stop = "stop"  # end with the diagnosis


@dataclass
class _Memory:
    """All that a watch remembers, in plain numbers."""

    skipped: int = 0
    data_round: int = 0
    good_in_a_row: int = 0
    after_roll_back: bool = False
    bad: list[tuple[int, dict[str, float]]] = field(default_factory=list)  # the present row
    bad_before: list[tuple[int, dict[str, float]]] = field(default_factory=list)  # rolled back
    good: list[tuple[int, float]] = field(default_factory=list)  # last steps, gradients' norms
    learning_rate: float = math.nan


class Watch:
    """Judges every step by its numbers. Pure: what is done about it is the loop's.

    ``max_bad_steps`` steps in a row that are not finite mean a roll-back; as many again, with
    the batches in another order, an end. A roll-back is forgotten after a hundred times as many
    good steps in a row.

    A step counts whether or not it is skipped, so the next one has another batch. Processes that
    train together judge the same numbers: those reduced over all of them.

    Raises:
        UserError: ``max_bad_steps`` is below 1.
    """

    def __init__(self, max_bad_steps: int) -> None:
        if max_bad_steps < 1:
            raise UserError(f"train.max_bad_steps must be at least 1, got {max_bad_steps}")
        self._max_bad_steps = max_bad_steps
        self._memory = _Memory()

    @property
    def skipped(self) -> int:
        """Steps left out so far, those before a roll-back included."""
        return self._memory.skipped

    @property
    def data_round(self) -> int:
        """How often training was rolled back: part of the seed of the batches."""
        return self._memory.data_round

    @property
    def is_calm(self) -> bool:
        """Whether the last step was finite. A checkpoint is worth writing only then: within a row
        of bad steps it would hold the weights that one may have to get away from.
        """
        return not self._memory.bad

    def judge(
        self, step: int, *, terms: dict[str, float], gradient_norm: float, learning_rate: float
    ) -> Verdict:
        """Judge a step after its backward pass, before the optimisers'.

        Args:
            step: updates done before this one.
            terms: of the loss, by name.
            gradient_norm: over all parameters that learn at this step, before clipping.
            learning_rate: of this step.

        Returns:
            Verdict: at ``roll_back``, ``data_round`` has risen. The watch itself is not to be
            loaded from the checkpoint then: it remembers what happened after it.
        """
        memory = self._memory
        memory.learning_rate = learning_rate
        numbers = {**terms, "gradient": gradient_norm}
        not_finite = {name: value for name, value in numbers.items() if not math.isfinite(value)}
        if not not_finite:
            self._good_step(step, gradient_norm)
            return Verdict.keep
        memory.skipped += 1
        memory.good_in_a_row = 0
        memory.bad.append((step, not_finite))
        if len(memory.bad) < self._max_bad_steps:
            return Verdict.skip
        if memory.after_roll_back:
            return Verdict.stop
        memory.after_roll_back = True
        memory.data_round += 1
        memory.bad_before, memory.bad = memory.bad, []
        return Verdict.roll_back

    def _good_step(self, step: int, gradient_norm: float) -> None:
        memory = self._memory
        memory.bad = []
        memory.good_in_a_row += 1
        memory.good = [*memory.good, (step, gradient_norm)][-_GOOD_STEPS_SHOWN:]
        if memory.good_in_a_row >= _HEALED_AFTER * self._max_bad_steps:
            memory.after_roll_back = False
            memory.bad_before = []

    def diagnosis(self) -> str:
        """What happened and what to try, in a line for the user."""
        memory = self._memory
        good = ", ".join(f"{norm:.3g} at step {step}" for step, norm in memory.good) or "none"
        before = f"; before the roll-back: {_told(memory.bad_before)}" if memory.bad_before else ""
        return (
            f"training: {len(memory.bad)} steps in a row were not finite"
            f"{', also after a roll-back with other batches' if memory.after_roll_back else ''}: "
            f"{_told(memory.bad)}{before}; learning rate {memory.learning_rate:.3g}; "
            f"gradient norm of the last good steps: {good}; {self._advice()}"
        )

    def _advice(self) -> str:
        norms = [norm for _, norm in self._memory.good]
        if not norms:
            return "no step was ever good: look at the data, and try trainer.precision=fp32"
        if norms[-1] > _GROWTH * statistics.median(norms):
            return "the gradient was growing: try a lower train.learning_rate"
        return (
            "the gradient was not growing: try trainer.precision=fp32, look at the term named "
            "first, then a lower train.learning_rate"
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything it remembers, as plain numbers."""
        return asdict(self._memory)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._memory = _Memory(**copy.deepcopy(state))


def _told(bad: list[tuple[int, dict[str, float]]]) -> str:
    """Which numbers were not finite, and at which steps."""
    names = dict.fromkeys(name for _, numbers in bad for name in numbers)
    return ", ".join(
        f"{name} ({', '.join(f'{n[name]:g} at step {step}' for step, n in bad if name in n)})"
        for name in names
    )
