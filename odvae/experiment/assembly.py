"""What a training needs beside its data, put together alike in every process of a run."""

from dataclasses import dataclass

from odvae.config import RunConfig
from odvae.experiment.denoiser_training import DenoiserOrder, assist_denoiser
from odvae.experiment.heldout import HeldOut
from odvae.metrics import Lpips
from odvae.model import ODVAE
from odvae.training import thrift, video_recipe
from odvae.training.loop import LoopConfig, train
from odvae.training.precision import Arithmetic
from odvae.training.state import TrainingState
from odvae.training.team import Team


@dataclass(frozen=True)
class Order:
    """What process 0 asks the others to train along."""

    config: RunConfig
    lpips_loss: bool  # whether the LPIPS term is part of the objective


@dataclass(frozen=True)
class Assembly:
    """A training, ready to begin or to be continued."""

    state: TrainingState
    loss: video_recipe.VideoLoss


def assemble(vae: ODVAE, order: Order, arithmetic: Arithmetic, team: Team) -> Assembly:
    """The players, their optimisers and what they minimise, around an initialised model."""
    config = order.config
    vae.to(arithmetic.device)
    if config.trainer.channels_last:
        thrift.channels_last(vae)
    if config.model.name.row.frozen_encoder:
        video_recipe.freeze_encoder(vae)
    against = video_recipe.discriminator(config.losses, seed=config.seed, team=team)
    if against is not None:
        against.to(arithmetic.device)
    state = video_recipe.initial_state(
        vae,
        config.train,
        config.init.how,
        against=against,
        discriminator_rate=config.losses.adversarial.learning_rate,
    )
    thrift.apply(config.trainer, vae)
    lpips = None
    if order.lpips_loss:
        lpips = Lpips(config.losses.lpips_backbone).to(arithmetic.device)
    loss = video_recipe.VideoLoss(vae, config.losses, lpips, config.seed, against, team)
    return Assembly(state, loss)


def loop_config(config: RunConfig) -> LoopConfig:
    """How long, and what happens in between."""
    return LoopConfig(
        steps=config.train.steps,
        log_every_steps=config.train.log_every_steps,
        checkpoint_every_s=config.train.checkpoint_every_s,
        pauses=tuple(config.train.curve_steps[:-1]),  # the last is the evaluation
        accumulate=config.trainer.accumulate,
    )


def assist(team: Team, arithmetic: Arithmetic) -> None:
    """Train along with process 0, as often as it asks."""
    while (order := team.share(None)) is not None:
        match order:
            case Order():
                _assist_vae(order, arithmetic, team)
            case DenoiserOrder():
                assist_denoiser(order, arithmetic, team)
            case _:
                raise TypeError(f"no order: {type(order).__name__}")


def _assist_vae(order: Order, arithmetic: Arithmetic, team: Team) -> None:
    config = order.config
    heldout = HeldOut.open(config, batch=1)
    assembly = assemble(ODVAE(config.architecture()), order, arithmetic, team)
    train(
        assembly.state,
        video_recipe.objective(
            heldout.training_clips(seed=config.seed),
            config.train,
            assembly.loss,
            workers=config.data.workers,
        ),
        loop_config(config),
        arithmetic=arithmetic,
        checkpoints=None,
        report=lambda step, numbers: None,
        team=team,
    )
