"""The loop: resumed or not, it gives the same weights; what goes wrong, it says."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.training.checkpoints import Checkpoints
from odvae.training.ema import Ema
from odvae.training.loop import LoopConfig, train
from odvae.training.objective import Loss, Losses, Objective, Place
from odvae.training.safety import Watch
from odvae.training.state import MODEL, TrainingState
from tests.sampling import first
from tests.training.tiny import CPU, loop, tiny_training

STEPS = 6


def _train(
    state: TrainingState, objective: Objective, config: LoopConfig, folder: Path
) -> dict[int, dict[str, float]]:
    """Train and return what was reported, by steps done, but for the time spent waiting."""
    reported: dict[int, dict[str, float]] = {}

    def report(step: int, numbers: dict[str, float]) -> None:
        reported[step] = dict(numbers)
        assert 0 <= reported[step].pop("data_wait_share", 0) <= 1

    kept = Checkpoints(folder)
    train(state, objective, config, arithmetic=CPU, checkpoints=kept, report=report)
    return reported


def _resume(state: TrainingState, folder: Path) -> None:
    kept = Checkpoints(folder).newest()
    assert kept is not None
    state.restore(kept.content)


def _same(a: TrainingState, b: TrainingState) -> None:
    """Bit for bit: the weights of all players, the average, and Adam's moments."""
    assert_close(a.content(), b.content(), atol=0, rtol=0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def whole(videos: Path) -> tuple[TrainingState, dict[int, dict[str, float]]]:
    """An uninterrupted training and its losses."""
    state, objective = tiny_training(videos, steps=STEPS, adversary_from=2)
    return state, _train(state, objective, loop(STEPS), videos / "whole")


@pytest.mark.parametrize("stop", first(1, [3, 4, 1, 5]))
def test_a_resumed_training_is_the_uninterrupted_one(
    stop: int,
    whole: tuple[TrainingState, dict[int, dict[str, float]]],
    videos: Path,
    tmp_path: Path,
) -> None:
    first, objective = tiny_training(videos, steps=STEPS, adversary_from=2)
    losses = _train(first, objective, loop(stop), tmp_path)
    second, objective = tiny_training(videos, steps=STEPS, adversary_from=2)
    _resume(second, tmp_path)
    assert second.step == stop
    losses |= _train(second, objective, loop(STEPS), tmp_path)
    _same(second, whole[0])
    assert losses == whole[1]


def test_the_seed_decides(
    whole: tuple[TrainingState, dict[int, dict[str, float]]], videos: Path, tmp_path: Path
) -> None:
    again, objective = tiny_training(videos, steps=STEPS, adversary_from=2)
    losses = _train(again, objective, loop(STEPS), tmp_path / "again")
    _same(again, whole[0])
    assert losses == whole[1]
    other, objective = tiny_training(videos, steps=STEPS, seed=1, adversary_from=2)
    assert _train(other, objective, loop(STEPS), tmp_path / "other").keys() == losses.keys()
    (a, b) = (next(s.ema.model.parameters()) for s in (again, other))
    assert not torch.equal(a, b)


def test_training_moves_the_weights(
    whole: tuple[TrainingState, dict[int, dict[str, float]]], videos: Path
) -> None:
    untrained, _ = tiny_training(videos, steps=STEPS, adversary_from=2)
    for player, module in whole[0].modules.items():
        pairs = zip(module.parameters(), untrained.modules[player].parameters(), strict=True)
        assert all(not torch.equal(after, before) for after, before in pairs), player
    assert list(whole[1]) == [*range(1, STEPS + 1)]
    assert whole[1][3]["reconstruction"] < whole[1][1]["reconstruction"]


def test_players_take_turns_once_the_discriminator_plays(
    whole: tuple[TrainingState, dict[int, dict[str, float]]],
) -> None:
    """Steps are counted from 0, reports from 1: steps 3 and 5 are the discriminator's."""
    played = {step: "discriminator" in numbers for step, numbers in whole[1].items()}
    assert played == {1: False, 2: False, 3: False, 4: True, 5: False, 6: True}
    assert {"adversarial", "adaptive_weight", "logits_model"} <= whole[1][3].keys()
    assert {"logits_real", "logits_fake", "discriminator_gradient_norm"} <= whole[1][4].keys()
    assert "adversarial" not in whole[1][2]


class _Line(nn.Module):
    """One weight; the loss is that weight times the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Tensor, place: Place) -> Losses:
        return Losses({"line": self.weight * batch.mean()})


def _line(lr: float = 1.0) -> tuple[_Line, TrainingState]:
    model = _Line()
    sgd = torch.optim.SGD(model.parameters(), lr=lr)
    state = TrainingState(
        modules={MODEL: model}, ema=Ema(model, decay=0.5), optimisers={MODEL: [sgd]}, watch=Watch(3)
    )
    return model, state


def _ones(first: int, end: int, data_round: int) -> Iterator[Tensor]:
    return (torch.ones(1) for _ in range(first, end))


def test_the_schedule_scales_the_rate_and_is_not_saved(tmp_path: Path) -> None:
    """Each update of SGD on this loss is minus the rate."""
    model, state = _line(lr=2.0)
    objective = Objective(
        batches=_ones, losses={MODEL: model.loss}, schedule=lambda step: 1 / (1 + step)
    )
    _train(state, objective, loop(2), tmp_path)
    assert_close(model.weight.item(), -2.0 * (1 + 1 / 2))
    assert state.optimisers[MODEL][0].param_groups[0]["lr"] == 2.0
    resumed_model, resumed = _line(lr=2.0)
    _resume(resumed, tmp_path)
    assert resumed.optimisers[MODEL][0].param_groups[0]["lr"] == 2.0
    objective = Objective(
        batches=_ones, losses={MODEL: resumed_model.loss}, schedule=objective.schedule
    )
    _train(resumed, objective, loop(4), tmp_path)
    assert_close(resumed_model.weight.item(), -2.0 * (1 + 1 / 2 + 1 / 3 + 1 / 4))


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    model, state = _line()
    objective = Objective(batches=_ones, losses={MODEL: model.loss}, gradient_clip=0.25)
    _train(state, objective, loop(4), tmp_path)
    assert_close(model.weight.item(), -4 * 0.25, atol=1e-5, rtol=0)


def test_checkpoints_pauses_and_reports_come_when_due(tmp_path: Path) -> None:
    model, state = _line()
    events: list[tuple[str, int]] = []
    config = LoopConfig(steps=7, log_every_steps=3, checkpoint_every_s=0, pauses=(2, 5))

    def pause(step: int) -> float:
        events.append(("pause", step))
        return 10.0 - step

    train(
        state,
        Objective(batches=_ones, losses={MODEL: model.loss}),
        config,
        arithmetic=CPU,
        checkpoints=Checkpoints(tmp_path),
        report=lambda step, numbers: events.append(("numbers" if numbers else "step", step)),
        on_pause=pause,
        before_checkpoint=lambda: events.append(("checkpoint", state.step)),
    )
    assert events == [
        ("step", 1),
        ("checkpoint", 1),
        ("step", 2),
        ("pause", 2),
        ("checkpoint", 2),
        ("numbers", 3),
        ("checkpoint", 3),
        ("step", 4),
        ("checkpoint", 4),
        ("step", 5),
        ("pause", 5),
        ("checkpoint", 5),
        ("numbers", 6),
        ("checkpoint", 6),
        ("numbers", 7),
        ("checkpoint", 7),
    ]
    best = Checkpoints(tmp_path).best()
    assert best is not None and (best.step, best.score) == (2, 8.0)


def _spoilt(model: _Line, when: Callable[[int], bool], *, value: float, gradient: bool) -> Loss:
    """The line, with a loss or only a gradient that is not finite at some steps."""

    def loss(batch: Tensor, place: Place) -> Losses:
        line = model.weight * batch.mean()
        if when(place.step):
            # sqrt has an infinite slope at 0, where its value is finite.
            line = line + (0 * model.weight).sqrt() if gradient else line + value
        return Losses({"good": model.weight * 0, "line": line})

    return loss


@pytest.mark.parametrize(("value", "gradient"), [(math.nan, False), (math.inf, False), (0, True)])
def test_a_step_that_is_not_finite_changes_nothing(
    value: float, gradient: bool, tmp_path: Path
) -> None:
    model, state = _line()
    loss = _spoilt(model, lambda step: step in (2, 3, 5), value=value, gradient=gradient)
    objective = Objective(batches=_ones, losses={MODEL: loss})
    reported = _train(state, objective, loop(8), tmp_path)
    assert_close(model.weight.item(), -5.0)  # eight steps, three of them left out
    assert (state.step, state.watch.skipped, state.watch.data_round) == (8, 3, 0)
    assert reported[8]["skipped_steps"] == 3
    assert all(math.isfinite(x) for x in state.ema.model.state_dict().values())


def test_several_in_a_row_lead_back_to_the_checkpoint_and_other_batches(tmp_path: Path) -> None:
    model, state = _line()
    rounds: list[tuple[int, int]] = []

    def batches(first: int, end: int, data_round: int) -> Iterator[Tensor]:
        rounds.append((first, data_round))
        return (
            torch.full((1,), math.nan if data_round == 0 and s >= 4 else 1.0)
            for s in range(first, end)
        )

    objective = Objective(batches=batches, losses={MODEL: model.loss})
    _train(state, objective, LoopConfig(steps=9, log_every_steps=1, checkpoint_every_s=0), tmp_path)
    assert rounds == [(0, 0), (4, 1)]
    assert_close(model.weight.item(), -9.0)
    assert (state.watch.skipped, state.watch.data_round) == (3, 1)
    _, again = _line()
    _resume(again, tmp_path)
    assert (again.watch.skipped, again.watch.data_round) == (3, 1)


def test_when_that_does_not_help_the_training_ends_with_a_diagnosis(tmp_path: Path) -> None:
    model, state = _line(lr=0.5)
    loss = _spoilt(model, lambda step: step >= 2, value=math.nan, gradient=False)
    objective = Objective(batches=_ones, losses={MODEL: loss})
    with pytest.raises(
        UserError, match=r"3 steps in a row were not finite, also after a roll-back"
    ):
        _train(state, objective, loop(50), tmp_path)
    assert_close(model.weight.item(), -1.0)
    assert "line (nan at step" in state.watch.diagnosis()
    assert "learning rate 0.5" in state.watch.diagnosis()
