"""The VAE that an evaluation is about: loaded, or made first."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.context import image_vae
from odvae.experiment.heldout import HeldOut
from odvae.experiment.progress import Progress
from odvae.model import ODVAE, VideoVAE
from odvae.training.image_source import HUB_ID, ImageVaeSource, weights_sha256
from odvae.training.precision import Arithmetic
from odvae.vaes import Loaded, open_vae
from odvae.vaes.methods import Method

OWN = "own"  # weights that odvae trained


@dataclass(frozen=True)
class Subject:
    """A VAE with weights, and where they are from."""

    vae: VideoVAE
    digest: str  # sha256 of its weights
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> nn.Module:
        """The VAE as a module of torch."""
        assert isinstance(self.vae, nn.Module)
        return self.vae


def check_weights(config: RunConfig) -> None:
    """Read the weights that an evaluation names. Raises UserError, naming the field."""
    if config.weights is not None:
        _load(config, config.weights)


def like_checkpoint(config: RunConfig) -> RunConfig:
    """A rival that the run makes itself has the sizes of the checkpoint it stands beside."""
    if config.weights is not None or config.checkpoint is None:
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
    train: Callable[[RunConfig], Path],  # run a training or find it; returns its VAE's folder
) -> Subject:
    """The VAE that ``task=evaluate`` asks for.

    Raises:
        UserError: there are no such weights, or they are of another method.
    """
    if config.weights is not None:
        return _load(config, config.weights)
    match config.model.name:
        case Method.sd_vae:
            image = image_vae(config, heldout, arithmetic=arithmetic, progress=progress)
            return Subject(image.vae, image.digest, {"weights": _image_weights(config)})
        case _:
            name = config.model.name.value
            progress.note(
                f"model={name}: no model.path, so odvae trains one with this command's budget "
                f"({config.train.steps} steps), or takes the one it has trained"
            )
            folder = train(replace(config, task=Task.train, checkpoint=None, rerun=False))
            vae = open_vae(folder).vae
            assert isinstance(vae, ODVAE)
            return Subject(vae, weights_sha256(vae), {"weights": OWN, "weights.path": str(folder)})


def _image_weights(config: RunConfig) -> str:
    is_sd = config.image_vae.resolved(config.model.width) is ImageVaeSource.sd
    return (config.image_vae.path or HUB_ID) if is_sd else OWN


def _load(config: RunConfig, source: str) -> Subject:
    field_name = "checkpoint" if config.model.path is None else "model.path"
    loaded = _opened(field_name, source)
    problem = _mismatch(config.model.name, loaded.vae)
    if problem is not None:
        raise UserError(f"{field_name}={source} {problem}")
    tags = {
        "weights": loaded.source,
        "weights.revision": loaded.revision or "",
        "weights.sha256": loaded.sha256,
    }
    return Subject(loaded.vae, loaded.sha256, tags)


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
