"""The watch over a training: isolated bad steps, rows of them, and what survives an interruption.

A training is simulated by the numbers of its steps; its checkpoint is the step it goes back to.
"""

import io
import math

import pytest
import torch

from odvae.errors import UserError
from odvae.training.safety import Verdict, Watch

KEEP, SKIP, BACK, STOP = Verdict.keep, Verdict.skip, Verdict.roll_back, Verdict.stop
NAN, INF = math.nan, math.inf


def _judge(watch: Watch, step: int, *, l1: float = 0.5, gradient: float = 1.0) -> Verdict:
    return watch.judge(
        step, terms={"l1": l1, "kl": 1e-3}, gradient_norm=gradient, learning_rate=1e-4
    )


def _row(watch: Watch, losses: list[float], *, first: int = 0) -> list[Verdict]:
    return [_judge(watch, first + i, l1=loss) for i, loss in enumerate(losses)]


def test_good_steps_are_kept() -> None:
    watch = Watch(2)
    assert _row(watch, [0.5, 0.0, 1e30, -1.0]) == [KEEP] * 4
    assert (watch.skipped, watch.data_round, watch.is_calm) == (0, 0, True)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_any_number_that_is_not_finite_skips_the_step(value: float) -> None:
    watch = Watch(3)
    assert _judge(watch, 0, l1=value) is SKIP
    assert not watch.is_calm
    assert _judge(watch, 1, gradient=value) is SKIP
    assert _judge(watch, 2) is KEEP
    assert (watch.skipped, watch.data_round, watch.is_calm) == (2, 0, True)


def test_isolated_bad_steps_never_end_a_training() -> None:
    watch = Watch(3)
    for _ in range(100):
        assert _row(watch, [NAN, INF, 0.5]) == [SKIP, SKIP, KEEP]
    assert (watch.skipped, watch.data_round) == (200, 0)


def test_a_row_rolls_back_and_changes_the_data() -> None:
    watch = Watch(3)
    assert _row(watch, [0.5, NAN, NAN, NAN]) == [KEEP, SKIP, SKIP, BACK]
    assert (watch.skipped, watch.data_round, watch.is_calm) == (3, 1, True)
    assert _row(watch, [0.5, NAN, NAN, 0.5]) == [KEEP, SKIP, SKIP, KEEP]
    assert (watch.skipped, watch.data_round) == (5, 1)


def test_a_second_row_after_the_roll_back_stops() -> None:
    watch = Watch(2)
    assert _row(watch, [0.5, NAN, INF]) == [KEEP, SKIP, BACK]
    assert _row(watch, [0.5] * 10 + [NAN, 0.5, NAN, NAN]) == [KEEP] * 10 + [SKIP, KEEP, SKIP, STOP]
    assert _judge(watch, 20, l1=NAN) is STOP


def test_at_one_the_first_bad_step_rolls_back() -> None:
    watch = Watch(1)
    assert _row(watch, [NAN, 0.5, NAN]) == [BACK, KEEP, STOP]


def test_a_roll_back_that_helped_is_forgotten() -> None:
    """The second of two accidents, days apart, has its own roll-back."""
    one, other = Watch(2), Watch(2)
    for watch in (one, other):
        assert _row(watch, [NAN, NAN]) == [SKIP, BACK]
    assert _row(one, [0.5] * 199 + [NAN, NAN])[-2:] == [SKIP, STOP]
    assert _row(other, [0.5] * 200 + [NAN, NAN])[-2:] == [SKIP, BACK]
    assert other.data_round == 2


def test_the_diagnosis_says_what_when_and_what_to_try() -> None:
    watch = Watch(2)
    for step in range(100, 107):
        _judge(watch, step, gradient=step - 99.0)
    _judge(watch, 107, l1=NAN)
    _judge(watch, 108, l1=INF, gradient=NAN)
    assert _judge(watch, 101, gradient=2.5) is KEEP
    _judge(watch, 102, gradient=INF)
    assert _judge(watch, 103, gradient=INF) is STOP
    text = watch.diagnosis()
    assert "2 steps in a row were not finite, also after a roll-back" in text
    assert ": gradient (inf at step 102, inf at step 103); " in text
    before = "before the roll-back: l1 (nan at step 107, inf at step 108), gradient (nan at step 1"
    assert before in text
    assert "learning rate 0.0001;" in text
    assert "4 at step 103, 5 at step 104, 6 at step 105, 7 at step 106, 2.5 at step 101" in text
    assert "try trainer.precision=fp32" in text and "\n" not in text


def test_the_diagnosis_knows_a_diverging_gradient_and_a_bad_start() -> None:
    diverging, never_good = Watch(1), Watch(1)
    for step, norm in enumerate([1.0, 1.1, 0.9, 3.0, 40.0, NAN, NAN]):
        _judge(diverging, step, gradient=norm)
    assert "the gradient was growing: try a lower train.learning_rate" in diverging.diagnosis()
    _row(never_good, [NAN, NAN])
    assert "last good steps: none; no step was ever good" in never_good.diagnosis()


@pytest.mark.parametrize("cut", range(1, 14))
def test_an_interrupted_watch_goes_on_as_if_it_had_not_been(cut: int) -> None:
    """Its state goes through a file, as a checkpoint's does."""
    losses = [0.5, NAN, 0.5, NAN, NAN, INF, 0.5, 0.5, NAN, 0.5, 0.5, NAN, NAN, NAN]
    whole, first, second = Watch(3), Watch(3), Watch(3)
    verdicts = _row(whole, losses)
    assert verdicts.count(BACK) == 1 and verdicts[-1] is STOP
    before = _row(first, losses[:cut])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert before + _row(second, losses[cut:], first=cut) == verdicts
    assert second.diagnosis() == whole.diagnosis()
    assert (second.skipped, second.data_round) == (whole.skipped, whole.data_round)


def test_the_saved_state_is_a_copy() -> None:
    watch = Watch(3)
    _judge(watch, 0, l1=NAN)
    state = watch.state_dict()
    _row(watch, [NAN, NAN], first=1)
    other = Watch(3)
    other.load_state_dict(state)
    assert (other.skipped, other.data_round, other.is_calm) == (1, 0, False)
    _row(other, [NAN, NAN], first=1)
    assert state["skipped"] == 1 and len(state["bad"]) == 1


def test_it_needs_at_least_one_bad_step() -> None:
    with pytest.raises(UserError, match=r"train\.max_bad_steps must be at least 1, got 0"):
        Watch(0)
