"""The model that a benchmark measures: with the weights it is given, or with random ones."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.experiment.subject import load_subject
from odvae.model import ODVAE, Architecture, VideoVAE
from odvae.vaes.methods import RANDOM
from odvae.vaes.untrained import untrained


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model that is to be measured."""

    build: Callable[[], VideoVAE]  # float32, in evaluation mode, on the CPU
    digest: str  # of what its speed depends on
    tags: dict[str, str]
    architecture: Architecture | None  # of odvae's own


def contender(config: RunConfig) -> Contender:
    """What ``task=benchmark`` asks for; random weights are not made before they are needed.

    Raises:
        UserError: weights of another method, or of a model that cannot be accelerated.
    """
    method, source = config.model.name, config.weights_source
    if source is not None:
        subject = load_subject(config, source)
        ours = subject.vae if isinstance(subject.vae, ODVAE) else None
        if config.benchmark.accelerate and ours is None:
            raise UserError(
                f"benchmark.accelerate=true is for models of odvae, and "
                f"{config.weights_field}={source} is none"
            )
        return Contender(
            build=lambda: subject.vae,
            digest=subject.digest,
            tags=subject.tags,
            architecture=None if ours is None else ours.architecture,
        )
    tags = {"weights": RANDOM}
    if method.is_trainable:
        ours_to_be = config.architecture()
        return Contender(
            build=lambda: ODVAE(ours_to_be).eval(),
            digest=f"{ours_to_be}",
            tags=tags,
            architecture=ours_to_be,
        )
    class_name = method.row.diffusers_class
    assert class_name is not None, "checked with the configuration: it is to be had"
    return Contender(
        build=lambda: _untrained(class_name, config),
        digest=f"{class_name} of diffusers {version('diffusers')}",
        tags=tags,
        architecture=None,
    )


def _untrained(class_name: str, config: RunConfig) -> VideoVAE:
    try:
        return untrained(class_name)
    except UserError as error:
        name = config.model.name.value
        raise UserError(f"model={name}: {error}; name {config.weights_field}=PATH") from error
