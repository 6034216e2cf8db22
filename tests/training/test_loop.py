"""The loop: resumed or not, it gives the same weights; what goes wrong, it says."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.training.ema import Ema
from odvae.training.loop import LoopConfig, Objective, Terms, train
from odvae.training.state import TrainingState
from tests.training.tiny import CPU, loop, tiny_training

STEPS = 6


def _train(
    state: TrainingState, objective: Objective, config: LoopConfig, checkpoint: Path
) -> dict[int, dict[str, float]]:
    """Train and return what was reported, by updates done."""
    reported: dict[int, dict[str, float]] = {}
    train(
        state, objective, config, arithmetic=CPU, checkpoint=checkpoint, report=reported.__setitem__
    )
    return reported


def _same(a: TrainingState, b: TrainingState) -> None:
    """Bit for bit: the weights, their average, and Adam's moments."""
    assert a.step == b.step
    assert_close(a.model.state_dict(), b.model.state_dict(), atol=0, rtol=0)
    assert_close(a.ema.model.state_dict(), b.ema.model.state_dict(), atol=0, rtol=0)
    for one, other in zip(a.optimisers, b.optimisers, strict=True):
        assert_close(one.state_dict()["state"], other.state_dict()["state"], atol=0, rtol=0)
        assert one.state_dict()["param_groups"] == other.state_dict()["param_groups"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def whole(videos: Path) -> tuple[TrainingState, dict[int, dict[str, float]]]:
    """An uninterrupted training and its losses."""
    state, objective = tiny_training(videos, steps=STEPS)
    return state, _train(state, objective, loop(STEPS), videos / "whole.pt")


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_resumed_training_is_the_uninterrupted_one(
    stop: int,
    whole: tuple[TrainingState, dict[int, dict[str, float]]],
    videos: Path,
    tmp_path: Path,
) -> None:
    checkpoint = tmp_path / "state.pt"
    first, objective = tiny_training(videos, steps=STEPS)
    losses = _train(first, objective, loop(stop), checkpoint)
    second, objective = tiny_training(videos, steps=STEPS, seed=0)
    second.load(checkpoint)
    assert second.step == stop
    losses |= _train(second, objective, loop(STEPS), checkpoint)
    _same(second, whole[0])
    assert losses == whole[1]


def test_the_seed_decides(
    whole: tuple[TrainingState, dict[int, dict[str, float]]], videos: Path, tmp_path: Path
) -> None:
    again, objective = tiny_training(videos, steps=STEPS)
    losses = _train(again, objective, loop(STEPS), tmp_path / "again.pt")
    _same(again, whole[0])
    assert losses == whole[1]
    other, objective = tiny_training(videos, steps=STEPS, seed=1)
    assert _train(other, objective, loop(STEPS), tmp_path / "other.pt").keys() == losses.keys()
    (a, b) = (next(s.ema.model.parameters()) for s in (again, other))
    assert not torch.equal(a, b)


def test_training_moves_the_weights(
    whole: tuple[TrainingState, dict[int, dict[str, float]]], videos: Path
) -> None:
    untrained, _ = tiny_training(videos, steps=STEPS)
    pairs = zip(whole[0].model.parameters(), untrained.model.parameters(), strict=True)
    assert all(not torch.equal(after, before) for after, before in pairs)
    losses = [sum(terms.values()) for terms in whole[1].values()]
    assert list(whole[1]) == [*range(1, STEPS + 1)]
    assert losses[-1] < losses[0]


class _Line(nn.Module):
    """One weight; the loss is that weight times the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Tensor, step: int) -> Terms:
        return {"line": self.weight * batch}


def _line(lr: float = 1.0) -> tuple[_Line, TrainingState]:
    model = _Line()
    adam = torch.optim.SGD(model.parameters(), lr=lr)
    return model, TrainingState(model=model, ema=Ema(model, decay=0.5), optimisers=[adam])


def _ones(first: int, end: int) -> Iterator[Tensor]:
    return (torch.ones(()) for _ in range(first, end))


def test_the_schedule_scales_the_rate_and_is_not_saved(tmp_path: Path) -> None:
    """Each update of SGD on this loss is minus the rate."""
    model, state = _line(lr=2.0)
    objective = Objective(batches=_ones, loss=model.loss, schedule=lambda step: 1 / (1 + step))
    _train(state, objective, loop(2), tmp_path / "state.pt")
    assert_close(model.weight.item(), -2.0 * (1 + 1 / 2))
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    assert saved["optimisers"][0]["param_groups"][0]["lr"] == 2.0
    resumed_model, resumed = _line(lr=2.0)
    resumed.load(tmp_path / "state.pt")
    objective = Objective(batches=_ones, loss=resumed_model.loss, schedule=objective.schedule)
    _train(resumed, objective, loop(4), tmp_path / "state.pt")
    assert_close(resumed_model.weight.item(), -2.0 * (1 + 1 / 2 + 1 / 3 + 1 / 4))


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    model, state = _line()
    objective = Objective(batches=_ones, loss=model.loss, gradient_clip=0.25)
    _train(state, objective, loop(4), tmp_path / "state.pt")
    assert_close(model.weight.item(), -4 * 0.25, atol=1e-5, rtol=0)


def test_checkpoints_pauses_and_reports_come_when_due(tmp_path: Path) -> None:
    model, state = _line()
    events: list[tuple[str, int]] = []
    config = LoopConfig(steps=7, log_every_steps=3, checkpoint_every_s=0, pauses=(2, 5))
    train(
        state,
        Objective(batches=_ones, loss=model.loss),
        config,
        arithmetic=CPU,
        checkpoint=tmp_path / "state.pt",
        report=lambda step, numbers: events.append(("numbers" if numbers else "step", step)),
        on_pause=lambda step: events.append(("pause", step)),
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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_training(value: float, tmp_path: Path) -> None:
    model, state = _line()

    def loss(batch: Tensor, step: int) -> Terms:
        return {"good": model.weight * 1, "bad": model.weight + (value if step == 2 else 0)}

    with pytest.raises(UserError, match=rf"not finite at step 2 \(good=.*, bad={value}\)$"):
        _train(state, Objective(batches=_ones, loss=loss), loop(5), tmp_path / "state.pt")
    assert state.step == 2
    assert math.isfinite(model.weight.item())  # the bad step was not taken


def test_an_interrupted_write_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, state = _line()
    objective = Objective(batches=_ones, loss=model.loss)
    _train(state, objective, loop(1), tmp_path / "state.pt")

    def full_disk(*_: object) -> None:
        (tmp_path / "state.part").write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        _train(state, objective, loop(2), tmp_path / "state.pt")
    _, fresh = _line()
    fresh.load(tmp_path / "state.pt")
    assert fresh.step == 1
