"""Where the image VAE comes from that an initialisation starts from."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn

from odvae.data import VideoRange
from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.model import IMAGE, ODVAE, Architecture, Operators, load
from odvae.model.architecture import LEVEL_MULTIPLIERS
from odvae.model.checkpoint import build
from odvae.model.saved import WEIGHTS_FILE, StoredVAE
from odvae.training.checkpoints import Checkpoints
from odvae.training.image_recipe import ImageRecipe, train_image_vae
from odvae.training.loop import Report
from odvae.training.precision import Arithmetic
from odvae.vaes.loading import Found, find, read

BUNDLED = Path(__file__).parents[1] / "assets" / "image_vae"
HUB_ID = "stabilityai/sd-vae-ft-mse"
SD = Architecture(variant=IMAGE, width=128, blocks=2, norm_groups=32, operators=Operators.strict)


class ImageVaeSource(Enum):
    """Which image VAE."""

    auto = "auto"  # bundled, or sd for a model of SD-VAE's width
    bundled = "bundled"  # a small one that comes with odvae
    local = "local"  # a small one trained once on the user's own training clips
    sd = "sd"  # the real SD-VAE, from a file or from the hub


@dataclass(kw_only=True)
class ImageVaeConfig:
    """Which image VAE, and for ``local`` how it is trained. Raises UserError, naming the field."""

    source: ImageVaeSource = ImageVaeSource.auto
    path: str | None = None  # sd: any 2D SD-VAE that odvae.load takes; without it the hub's
    recipe: ImageRecipe = field(default_factory=ImageRecipe)

    def __post_init__(self) -> None:
        if self.path is not None and self.source is not ImageVaeSource.sd:
            raise UserError(f"image_vae.path={self.path} is read with image_vae=sd only")

    def resolved(self, width: int) -> ImageVaeSource:
        """The source for a model of this width: never ``auto``."""
        if self.source is not ImageVaeSource.auto:
            return self.source
        return ImageVaeSource.sd if width == SD.width else ImageVaeSource.bundled


@dataclass(frozen=True)
class ImageVae:
    """An image VAE and what tells it from others."""

    vae: ODVAE
    digest: str  # sha256 of its weights
    revision: str | None  # the hub's commit; None: it is not from there


def check_fits(config: ImageVaeConfig, architecture: Architecture) -> None:
    """Check that models can start from the image VAE, before one is trained or downloaded.

    Raises:
        UserError: it is of another width or kind, or ``path`` cannot be read.
    """
    source = config.resolved(architecture.width)
    match source:
        case ImageVaeSource.local:  # made to fit
            image = architecture
        case ImageVaeSource.sd:
            image = SD if config.path is None else _read_sd(config, _find_sd(config)).architecture
        case _:
            image = load(BUNDLED).architecture
    for name in ("width", "blocks", "latent_channels"):
        if getattr(image, name) != getattr(architecture, name):
            raise _misfit(source, image, architecture, name=name)
    widths = [image.width * multiplier for multiplier in LEVEL_MULTIPLIERS]
    if any(image.groups(channels) != architecture.groups(channels) for channels in widths):
        raise _misfit(source, image, architecture, name="norm_groups")


def get_image_vae(
    config: ImageVaeConfig,
    architecture: Architecture,
    train_ranges: list[VideoRange],
    *,
    cache: Path,
    arithmetic: Arithmetic,
    report: Callable[[], Report],  # called when a training starts, for its progress
) -> ImageVae:
    """The image VAE that models of ``architecture`` can start from, on the CPU.

    Raises:
        UserError: it does not fit, or its weights are not to be had.
    """
    check_fits(config, architecture)
    revision: str | None = None
    match config.resolved(architecture.width):
        case ImageVaeSource.local:
            vae = _local(
                config.recipe,
                architecture,
                train_ranges,
                cache=cache,
                arithmetic=arithmetic,
                report=report,
            )
        case ImageVaeSource.sd:
            found = _find_sd(config)
            vae, revision = build(_read_sd(config, found)), found.revision
        case _:
            vae = load(BUNDLED)
    return ImageVae(vae, digest=weights_sha256(vae), revision=revision)


def fingerprint(config: ImageVaeConfig, width: int) -> str:
    """What tells the image VAE from others, without building it; ``local`` follows from data.

    Raises:
        UserError: the weights are not to be had.
    """
    match config.resolved(width):
        case ImageVaeSource.local:
            return "local"
        case ImageVaeSource.sd:
            return _find_sd(config).sha256
        case _:
            return file_sha256(BUNDLED / WEIGHTS_FILE)


def weights_sha256(vae: nn.Module) -> str:
    """What tells the weights of a model from others."""
    digest = hashlib.sha256()
    for name, tensor in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _find_sd(config: ImageVaeConfig) -> Found:
    try:
        return find(HUB_ID if config.path is None else config.path)
    except UserError as error:
        raise _unread(config, error) from error


def _read_sd(config: ImageVaeConfig, found: Found) -> StoredVAE:
    try:
        stored, form = read(found)
        if stored.architecture.variant != IMAGE:
            raise UserError(
                f"{found.source}: {form.value} with a video VAE; needed is an image VAE"
            )
    except UserError as error:
        raise _unread(config, error) from error
    return stored


def _unread(config: ImageVaeConfig, error: UserError) -> UserError:
    """The error with the field in front; it begins with what the field was given, or a file."""
    if config.path is None:
        return UserError(f"image_vae=sd: {error} (image_vae.path=...)")
    return UserError(f"image_vae.path={error}")


def _local(
    recipe: ImageRecipe,
    architecture: Architecture,
    ranges: list[VideoRange],
    *,
    cache: Path,
    arithmetic: Arithmetic,
    report: Callable[[], Report],
) -> ODVAE:
    """Train it, or wait for the run that is training it, or take what an earlier run trained."""
    vae = ODVAE.image(
        width=architecture.width,
        blocks=architecture.blocks,
        norm_groups=architecture.norm_groups,
        latent_channels=architecture.latent_channels,
    )
    data = [(r.name, r.size_bytes, r.first_frame, r.end_frame) for r in ranges]
    model = {k: v for k, v in asdict(vae.architecture).items() if k != "operators"}
    identity = json.dumps([asdict(recipe), model, data], sort_keys=True)
    folder = cache / hashlib.sha256(identity.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            checkpoints = Checkpoints(Path(f"{folder}.checkpoints"), keep_best=0)
            trained = train_image_vae(
                vae, ranges, recipe, arithmetic=arithmetic, checkpoints=checkpoints, report=report()
            )
            trained.save(folder)
            shutil.rmtree(checkpoints.folder)
    return load(folder)


def _misfit(
    source: ImageVaeSource, image: Architecture, video: Architecture, *, name: str
) -> UserError:
    return UserError(
        f"model.{name}={getattr(video, name)} needs an image VAE of the same, but "
        f"image_vae={source.value} has {getattr(image, name)}; choose another image_vae "
        f"(bundled: width 16, sd: width {SD.width}, local: any) or init=random"
    )
