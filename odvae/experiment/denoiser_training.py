"""The training of a denoiser, put together alike in every process of a run."""

from dataclasses import dataclass
from pathlib import Path

from odvae.config import RunConfig
from odvae.generation.denoiser import Denoiser, build, checkpoint_activations
from odvae.generation.diffusion import diffusion_objective, initial_state
from odvae.generation.latent_cache import LatentCache
from odvae.training.loop import LoopConfig, train
from odvae.training.objective import Objective
from odvae.training.precision import Arithmetic
from odvae.training.state import TrainingState
from odvae.training.team import Team


@dataclass(frozen=True)
class DenoiserOrder:
    """What process 0 asks the others to train along."""

    config: RunConfig
    cache: Path  # of the latents


@dataclass(frozen=True)
class DenoiserTraining:
    """A training, ready to begin or to be continued."""

    denoiser: Denoiser
    state: TrainingState
    objective: Objective


def denoiser_training(
    order: DenoiserOrder, latents: LatentCache, arithmetic: Arithmetic, team: Team
) -> DenoiserTraining:
    """The denoiser, its optimiser and what it minimises.

    Raises:
        UserError: latents that it cannot be trained on.
    """
    config = order.config
    classes = (latents.index.classes or None) if config.denoiser.classes else None
    denoiser = build(config.denoiser.size, latents.shape, classes=classes, seed=config.seed)
    denoiser.to(arithmetic.device)
    state = initial_state(denoiser, config.diffusion)
    # After the copy that the average starts as: that one stays plain.
    if config.trainer.checkpoint_activations:
        checkpoint_activations(denoiser)
    if config.trainer.compile:
        denoiser.transformer.compile()
    objective = diffusion_objective(
        denoiser, latents, config.diffusion, seed=config.seed, team=team
    )
    return DenoiserTraining(denoiser, state, objective)


def denoiser_loop(config: RunConfig) -> LoopConfig:
    """How long, and what happens in between."""
    return LoopConfig(
        steps=config.generation.steps,
        log_every_steps=config.train.log_every_steps,
        checkpoint_every_s=config.train.checkpoint_every_s,
        pauses=config.generation.curve_steps[:-1],  # the last is the end
        accumulate=config.trainer.accumulate,
    )


def assist_denoiser(order: DenoiserOrder, arithmetic: Arithmetic, team: Team) -> None:
    """Train along with process 0."""
    latents = LatentCache.open(order.cache)
    training = denoiser_training(order, latents, arithmetic, team)
    train(
        training.state,
        training.objective,
        denoiser_loop(order.config),
        arithmetic=arithmetic,
        checkpoints=None,
        report=lambda step, numbers: None,
        team=team,
    )
