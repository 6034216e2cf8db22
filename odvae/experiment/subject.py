"""The VAE that an evaluation is about: loaded, or made first."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from odvae.config import RunConfig, Task, WeightsConfig
from odvae.errors import UserError
from odvae.experiment.context import image_vae
from odvae.experiment.heldout import HeldOut
from odvae.experiment.progress import Progress
from odvae.model import ODVAE, VideoVAE
from odvae.training.image_source import HUB_ID, ImageVaeSource
from odvae.training.precision import Arithmetic
from odvae.vaes import Loaded, open_vae
from odvae.vaes.methods import OWN, Method


@dataclass(frozen=True)
class Subject:
    """A VAE with weights, and where they are from."""

    vae: VideoVAE
    digest: str  # what tells its function from others'
    tags: dict[str, str] = field(default_factory=dict)
    made_now: bool = False  # trained by this process, which the memory it took includes

    @property
    def module(self) -> nn.Module:
        """The VAE as a module of torch."""
        assert isinstance(self.vae, nn.Module)
        return self.vae


@dataclass(frozen=True)
class Trained:
    """The folder of a VAE that a run has trained."""

    folder: Path
    now: bool  # just now, by this process


def check_weights(config: RunConfig) -> None:
    """Read the weights that an evaluation names. Raises UserError, naming the field."""
    if config.weights_source is not None:
        load_subject(config, config.weights_source)


def like_checkpoint(config: RunConfig) -> RunConfig:
    """A rival that the run makes itself has the sizes of the checkpoint it stands beside."""
    if config.weights_source is not None or config.checkpoint is None:
        return config
    ours = _opened("checkpoint", config.checkpoint).vae
    if not isinstance(ours, ODVAE):
        return config
    sizes = {
        name: getattr(ours.architecture, name)
        for name in ("width", "blocks", "latent_channels", "norm_groups")
    }
    return replace(config, model=replace(config.model, **sizes))


def find_subject(
    config: RunConfig,
    heldout: HeldOut,
    *,
    arithmetic: Arithmetic,
    progress: Progress,
    train: Callable[[RunConfig], Trained],  # run a training, or find it
) -> Subject:
    """The VAE that a run evaluates, and generates with where that is its task.

    Raises:
        UserError: there are no such weights, or they are of another method.
    """
    if config.weights_source is not None:
        return load_subject(config, config.weights_source)
    match config.model.name:
        case Method.sd_vae:
            image = image_vae(config, heldout, arithmetic=arithmetic, progress=progress)
            return Subject(image.vae, image.digest, {"weights": _image_weights(config)})
        case _:
            name = config.model.name.value
            progress.note(
                f"model={name}: no {config.weights_field}, so odvae trains one with this command's "
                f"budget ({config.train.steps} steps), or takes the one it has trained"
            )
            training = replace(
                config, task=Task.train, checkpoint=None, weights=WeightsConfig(), rerun=False
            )
            trained = train(training)
            when = "trained now" if trained.now else "trained before"
            progress.note(f"model={name}: {when}, {os.path.relpath(trained.folder)}")
            loaded = open_vae(trained.folder)
            tags = {"weights": OWN, "weights.path": str(trained.folder)}
            return Subject(loaded.vae, loaded.digest, tags, made_now=trained.now)


def _image_weights(config: RunConfig) -> str:
    is_sd = config.image_vae.resolved(config.model.width) is ImageVaeSource.sd
    return (config.image_vae.path or HUB_ID) if is_sd else OWN


def load_subject(config: RunConfig, source: str) -> Subject:
    """The VAE at a source, if it is of the configured method. Raises UserError otherwise."""
    loaded = _opened(config.weights_field, source)
    problem = _mismatch(config.model.name, loaded.vae)
    if problem is not None:
        raise UserError(f"{config.weights_field}={source} {problem}")
    tags = {
        "weights": loaded.source,
        "weights.revision": loaded.revision or "",
        "weights.sha256": loaded.sha256,
    }
    return Subject(loaded.vae, loaded.digest, tags)


def _opened(field_name: str, source: str) -> Loaded:
    try:
        return open_vae(source)
    except UserError as error:
        raise UserError(f"{field_name}: {error}") from error


def _mismatch(method: Method, vae: VideoVAE) -> str | None:
    """What is wrong with weights for a method; None if nothing is."""
    row = method.row
    if isinstance(vae, ODVAE):
        if method is Method.odvae:
            fits = vae.architecture.layout.compresses_time
        else:
            fits = vae.architecture.variant == row.variant
        if fits:
            return None
        return f"holds {vae.architecture.title} of odvae, which is not model={method.value}"
    name = getattr(vae, "name", type(vae).__name__)  # a wrapper's says what it wraps
    if name == row.diffusers_class:
        return None
    return f"holds {name}, which is not model={method.value}"
