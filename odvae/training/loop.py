"""The one training loop. It knows players, batches and steps, not what is being trained."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from odvae.errors import UserError
from odvae.training.checkpoints import Checkpoints
from odvae.training.precision import Arithmetic
from odvae.training.safety import Verdict
from odvae.training.state import MODEL, TrainingState

Report = Callable[[int, dict[str, float]], None]  # (steps done, numbers)


@dataclass(frozen=True)
class Losses:
    """What a step is about."""

    terms: Mapping[str, Tensor]  # named and weighted: their sum is minimised
    health: Mapping[str, Tensor] = field(default_factory=dict)  # reported beside them


Loss = Callable[[Tensor, int], Losses]  # (batch, step) -> losses


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


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long, and what happens in between."""

    steps: int
    log_every_steps: int
    checkpoint_every_s: float
    pauses: tuple[int, ...] = ()  # steps done at which ``on_pause`` is called


def train(
    state: TrainingState,
    objective: Objective,
    config: LoopConfig,
    *,
    arithmetic: Arithmetic,
    checkpoints: Checkpoints,
    report: Report,
    on_pause: Callable[[int], float | None] = lambda _: None,
    before_checkpoint: Callable[[], None] = lambda: None,
) -> None:
    """Train until ``config.steps`` steps are done, starting from where ``state`` is.

    A step whose loss or gradient is not finite changes nothing but counts; after several in a row
    training goes back to the last checkpoint and on with other batches, once.

    Args:
        checkpoints: where the state is kept.
        report: called after every step with the number of steps done; at every
            ``log_every_steps`` with the terms of the loss and what is reported beside them, with
            an empty dict otherwise (progress alone).
        on_pause: called at the steps in ``config.pauses``, for looks at the EMA weights; returns
            their score, by which the best checkpoint is told.
        before_checkpoint: called before each write, so that what it keeps is never behind.

    Raises:
        UserError: steps stayed not finite after a roll-back; the message says what happened.
    """
    run = _Run(state, objective, config, arithmetic)
    for module in state.modules.values():
        module.train()
    saved_s = time.monotonic()
    while state.step < config.steps:
        for batch in objective.batches(state.step, config.steps, state.watch.data_round):
            verdict = run.step(batch)
            report(state.step, run.numbers())
            if verdict is Verdict.roll_back:
                run.roll_back(checkpoints)
                checkpoints.save(run.content(), step=state.step)  # so that the round is kept
                break  # for batches of that round
            if verdict is Verdict.stop:
                raise UserError(state.watch.diagnosis())
            score = on_pause(state.step) if state.step in config.pauses else None
            is_due = time.monotonic() - saved_s >= config.checkpoint_every_s or score is not None
            if (is_due and state.watch.is_calm) or state.step == config.steps:
                before_checkpoint()
                checkpoints.save(run.content(), step=state.step, score=score)
                saved_s = time.monotonic()
    run.set_rates(1.0)


class _Run:
    """A training at work: the state, and the rates that the schedule scales."""

    def __init__(
        self,
        state: TrainingState,
        objective: Objective,
        config: LoopConfig,
        arithmetic: Arithmetic,
    ) -> None:
        self._state = state
        self._objective = objective
        self._config = config
        self._arithmetic = arithmetic
        self._losses = Losses({})
        self._terms: dict[str, float] = {}
        self._gradient_norm = 0.0
        self._player = MODEL
        self._base_rates = [group["lr"] for group in self._groups()]

    def step(self, batch: Tensor) -> Verdict:
        """Let the player whose turn it is learn from a batch, unless its numbers are not finite."""
        state, objective = self._state, self._objective
        self._player = objective.turn(state.step)
        factor = objective.schedule(state.step)
        self.set_rates(factor)
        self._only_player_learns()
        optimisers = state.optimisers[self._player]
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        with self._arithmetic.autocast():
            self._losses = objective.losses[self._player](
                batch.to(self._arithmetic.device), state.step
            )
        terms = torch.stack([term.float() for term in self._losses.terms.values()])
        terms.sum().backward()
        self._terms = dict(zip(self._losses.terms, terms.tolist(), strict=True))
        verdict = state.watch.judge(
            state.step,
            terms=self._terms,
            gradient_norm=self._clipped_norm(),
            learning_rate=max(group["lr"] for o in optimisers for group in o.param_groups),
        )
        if verdict is Verdict.keep:
            for optimiser in optimisers:
                optimiser.step()
            if self._player == MODEL:
                state.ema.update(state.model, updates=state.step)
        state.step += 1
        return verdict

    def numbers(self) -> dict[str, float]:
        """What the last step is reported with; empty between the steps that are."""
        step, config = self._state.step, self._config
        of_players = len(self._objective.losses)  # so that each one's turn is seen
        if step % config.log_every_steps >= of_players and step != config.steps:
            return {}
        health = {name: value.item() for name, value in self._losses.health.items()}
        numbers = {**self._terms, **health}
        if self._player == MODEL:
            numbers |= {"loss": sum(self._terms.values()), "gradient_norm": self._gradient_norm}
        else:
            numbers[f"{self._player}_gradient_norm"] = self._gradient_norm
        if self._state.watch.skipped:
            numbers["skipped_steps"] = self._state.watch.skipped
        return numbers

    def roll_back(self, checkpoints: Checkpoints) -> None:
        """Go back to the last checkpoint. Without any, bad steps have changed no weight either."""
        loaded = checkpoints.newest()
        if loaded is not None:
            self._state.restore(loaded.content, watch=False)

    def content(self) -> dict[str, object]:
        """The state with the base rates in place: the schedule is applied anew after loading."""
        self.set_rates(1.0)
        return self._state.content()

    def set_rates(self, factor: float) -> None:
        """Scale every learning rate."""
        for group, rate in zip(self._groups(), self._base_rates, strict=True):
            group["lr"] = rate * factor

    def _groups(self) -> Iterator[dict[str, float]]:
        for optimisers in self._state.optimisers.values():
            for optimiser in optimisers:
                yield from optimiser.param_groups

    def _only_player_learns(self) -> None:
        """The others pass gradients on and get none themselves."""
        if len(self._state.modules) == 1:
            return
        for name, optimisers in self._state.optimisers.items():
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    for parameter in group["params"]:
                        parameter.requires_grad_(name == self._player)

    def _clipped_norm(self) -> float:
        """The norm of the player's gradient, before it is clipped."""
        parameters = [
            parameter
            for optimiser in self._state.optimisers[self._player]
            for group in optimiser.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self._objective.gradient_clip is not None:
            clip_grads_with_norm_(parameters, self._objective.gradient_clip, norm)
        self._gradient_norm = norm.item()
        return self._gradient_norm
