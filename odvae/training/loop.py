"""The one training loop. It knows models, batches and steps, not what is being trained."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.training.precision import Arithmetic
from odvae.training.state import TrainingState

Terms = dict[str, Tensor]  # named terms of the objective, weighted: their sum is minimised
Report = Callable[[int, dict[str, float]], None]  # (updates done, numbers)


def constant(step: int) -> float:
    """The paper's schedule: the learning rate stays what it is."""
    return 1.0


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is trained: where batches come from and what is minimised on them."""

    batches: Callable[[int, int], Iterator[Tensor]]  # (first step, end step) -> their batches
    loss: Callable[[Tensor, int], Terms]  # (batch, step) -> terms
    schedule: Callable[[int], float] = constant  # step -> factor on every learning rate
    gradient_clip: float | None = None  # the gradient's norm at most


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long, and what happens in between."""

    steps: int
    log_every_steps: int
    checkpoint_every_s: float
    pauses: tuple[int, ...] = ()  # updates done at which ``on_pause`` is called


def train(
    state: TrainingState,
    objective: Objective,
    config: LoopConfig,
    *,
    arithmetic: Arithmetic,
    checkpoint: Path,
    report: Report,
    on_pause: Callable[[int], None] = lambda _: None,
    before_checkpoint: Callable[[], None] = lambda: None,
) -> None:
    """Train until ``config.steps`` updates are done, starting from where ``state`` is.

    Args:
        report: called after every update with the number of updates done; with the terms of the
            loss at every ``log_every_steps``, with an empty dict otherwise (progress alone).
        on_pause: called at the updates in ``config.pauses``, for looks at the EMA weights.
        before_checkpoint: called before each write, so that what it keeps is never behind.

    Raises:
        UserError: the loss is no longer finite.
    """
    model = state.model.train()
    base_rates = [[group["lr"] for group in opt.param_groups] for opt in state.optimisers]
    batches = objective.batches(state.step, config.steps)
    saved_s = time.monotonic()
    for batch in batches:
        _set_rates(state.optimisers, base_rates, factor=objective.schedule(state.step))
        # One player learns at each step. A discriminator would take its turns here.
        with arithmetic.autocast():
            terms = objective.loss(batch.to(arithmetic.device), state.step)
        loss = torch.stack(list(terms.values())).sum()
        if not loss.isfinite():
            names = ", ".join(f"{name}={term.item():.3g}" for name, term in terms.items())
            raise UserError(f"training: the loss is not finite at step {state.step} ({names})")
        for optimiser in state.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if objective.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), objective.gradient_clip)
        for optimiser in state.optimisers:
            optimiser.step()
        state.ema.update(model, updates=state.step)
        state.step += 1
        wants_numbers = state.step % config.log_every_steps == 0 or state.step == config.steps
        numbers = {name: term.item() for name, term in terms.items()} if wants_numbers else {}
        report(state.step, numbers)
        if state.step in config.pauses:
            on_pause(state.step)
        is_due = time.monotonic() - saved_s >= config.checkpoint_every_s
        if is_due or state.step == config.steps:
            before_checkpoint()
            _save(state, checkpoint, base_rates)
            saved_s = time.monotonic()
    _set_rates(state.optimisers, base_rates, factor=1.0)


def _save(state: TrainingState, path: Path, base_rates: list[list[float]]) -> None:
    """Save with the base rates in place: the schedule is applied anew after loading."""
    _set_rates(state.optimisers, base_rates, factor=1.0)
    state.save(path)


def _set_rates(
    optimisers: list[torch.optim.Optimizer], base: list[list[float]], *, factor: float
) -> None:
    for optimiser, rates in zip(optimisers, base, strict=True):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor
