"""The one training loop. It knows players, batches and steps, not what is being trained."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from odvae.errors import UserError
from odvae.training.checkpoints import Checkpoints
from odvae.training.objective import Losses, Objective, Place
from odvae.training.precision import Arithmetic
from odvae.training.safety import Verdict
from odvae.training.state import MODEL, TrainingState
from odvae.training.team import Alone, Team
from odvae.training.waiting import DataWait

Report = Callable[[int, dict[str, float]], None]  # (steps done, numbers)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long, and what happens in between."""

    steps: int
    log_every_steps: int
    checkpoint_every_s: float
    pauses: tuple[int, ...] = ()  # steps done at which ``on_pause`` is called
    accumulate: int = 1  # parts in which a batch is computed, one after the other


def train(
    state: TrainingState,
    objective: Objective,
    config: LoopConfig,
    *,
    arithmetic: Arithmetic,
    checkpoints: Checkpoints | None,
    report: Report,
    on_pause: Callable[[int], float | None] = lambda _: None,
    before_checkpoint: Callable[[], None] = lambda: None,
    team: Team | None = None,
) -> None:
    """Train until ``config.steps`` steps are done, starting from where ``state`` is.

    A step whose loss or gradient is not finite changes nothing but counts; after several in a row
    training goes back to the last checkpoint and on with other batches, once.

    Args:
        checkpoints: where the state is kept; None in a process that does not keep it.
        report: called after every step with the number of steps done; at every
            ``log_every_steps`` with the terms of the loss and what is reported beside them, with
            an empty dict otherwise (progress alone).
        on_pause: called at the steps in ``config.pauses``, for looks at the EMA weights; returns
            their score, by which the best checkpoint is told.
        before_checkpoint: called before each write, so that what it keeps is never behind.
        team: the processes that train together, each with its part of the batches; all start from
            the state of process 0. None: this one alone.

    Raises:
        UserError: steps stayed not finite after a roll-back; the message says what happened.
    """
    run = _Run(state, objective, config, arithmetic, team or Alone())
    run.align()
    for module in state.modules.values():
        module.train()
    saved_s = time.monotonic()
    while state.step < config.steps:
        batches = objective.batches(state.step, config.steps, state.watch.data_round)
        for batch in run.wait.timed(batches):
            verdict = run.step(batch)
            report(state.step, run.numbers())
            if verdict is Verdict.roll_back:
                run.roll_back(checkpoints)
                if checkpoints is not None:
                    checkpoints.save(run.content(), step=state.step)  # so that the round is kept
                break  # for batches of that round
            if verdict is Verdict.stop:
                raise UserError(state.watch.diagnosis())
            score = on_pause(state.step) if state.step in config.pauses else None
            is_due = time.monotonic() - saved_s >= config.checkpoint_every_s or score is not None
            is_due = (is_due and state.watch.is_calm) or state.step == config.steps
            if checkpoints is not None and is_due:
                before_checkpoint()
                checkpoints.save(run.content(), step=state.step, score=score)
                saved_s = time.monotonic()
            if state.step in config.pauses:
                run.wait.pause_over()
    run.set_rates(1.0)


class _Run:
    """A training at work: the state, and the rates that the schedule scales."""

    def __init__(
        self,
        state: TrainingState,
        objective: Objective,
        config: LoopConfig,
        arithmetic: Arithmetic,
        team: Team,
    ) -> None:
        self._state = state
        self._objective = objective
        self._config = config
        self._arithmetic = arithmetic
        self._team = team
        self.wait = DataWait()
        self._terms: dict[str, float] = {}
        self._health: Mapping[str, Tensor] = {}
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
        losses = self._backward(batch.to(self._arithmetic.device))
        self._health = losses.health
        self._average(optimisers)
        terms = torch.stack(list(losses.terms.values()))
        self._team.average([terms])
        self._terms = dict(zip(losses.terms, terms.tolist(), strict=True))
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

    def _backward(self, batch: Tensor) -> Losses:
        """Gradients of this process's clips; their losses, averaged over the parts."""
        step, parts = self._state.step, self._config.accumulate
        clips = len(batch) // parts
        computed: list[Losses] = []
        for number, some in enumerate(batch.split(clips)):
            place = Place(step, self._team.rank * len(batch) + number * clips)
            with self._arithmetic.autocast():
                losses = self._objective.losses[self._player](some, place)
            terms = {name: term.float() for name, term in losses.terms.items()}
            (torch.stack(list(terms.values())).sum() / parts).backward()
            computed.append(
                Losses({name: term.detach() for name, term in terms.items()}, losses.health)
            )
        return computed[0] if parts == 1 else _mean(computed)

    def _average(self, optimisers: list[torch.optim.Optimizer]) -> None:
        """Gradients of the whole batch, in every process."""
        groups = (group for optimiser in optimisers for group in optimiser.param_groups)
        parameters = (parameter for group in groups for parameter in group["params"])
        self._team.average([p.grad for p in parameters if p.grad is not None])

    def numbers(self) -> dict[str, float]:
        """What the last step is reported with; empty between the steps that are."""
        step, config = self._state.step, self._config
        of_players = len(self._objective.losses)  # so that each one's turn is seen
        if step % config.log_every_steps >= of_players and step != config.steps:
            return {}
        health = dict.fromkeys(self._health, 0.0)
        if health:
            values = torch.stack([value.float() for value in self._health.values()])
            self._team.average([values])
            health = dict(zip(health, values.tolist(), strict=True))
        numbers = {**self._terms, **health, "data_wait_share": self.wait.share()}
        if self._player == MODEL:
            numbers |= {"loss": sum(self._terms.values()), "gradient_norm": self._gradient_norm}
        else:
            numbers[f"{self._player}_gradient_norm"] = self._gradient_norm
        if self._state.watch.skipped:
            numbers["skipped_steps"] = self._state.watch.skipped
        return numbers

    def align(self) -> None:
        """Start from what process 0 has."""
        if self._team.size > 1:
            self._state.restore(self._team.share(self._state.content()))

    def roll_back(self, checkpoints: Checkpoints | None) -> None:
        """Go back to the last checkpoint. Without any, bad steps have changed no weight either."""
        loaded = checkpoints.newest() if checkpoints is not None else None
        content = self._team.share(loaded.content if loaded is not None else None)
        if content is not None:
            self._state.restore(content, watch=False)

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


def _mean(losses: list[Losses]) -> Losses:
    """Of the parts of a batch, which are equally large."""

    def over(parts: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}

    return Losses(over([each.terms for each in losses]), over([each.health for each in losses]))
