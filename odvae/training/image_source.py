"""Where the image VAE comes from that an initialisation starts from."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from odvae.data import VideoRange
from odvae.errors import UserError
from odvae.model import ODVAE, Architecture, inflate, load
from odvae.training.image_recipe import ImageRecipe, train_image_vae
from odvae.training.loop import Report
from odvae.training.precision import Arithmetic
from odvae.training.sd_vae import read_sd_vae

BUNDLED = Path(__file__).parents[1] / "assets" / "image_vae"
SD_WIDTH, SD_BLOCKS, SD_NORM_GROUPS = 128, 2, 32


class ImageVaeSource(Enum):
    """Which image VAE."""

    bundled = "bundled"  # a small one that comes with odvae
    local = "local"  # a small one trained once on the user's own training clips
    sd = "sd"  # the real SD-VAE, from a file or from the hub


@dataclass(kw_only=True)
class ImageVaeConfig:
    """Which image VAE, and for ``local`` how it is trained. Raises UserError, naming the field."""

    source: ImageVaeSource = ImageVaeSource.bundled
    path: str | None = None  # sd: a folder or file; without it the hub is asked
    recipe: ImageRecipe = field(default_factory=ImageRecipe)

    def __post_init__(self) -> None:
        if self.path is not None and self.source is not ImageVaeSource.sd:
            raise UserError(f"image_vae.path={self.path} is read with image_vae=sd only")


@dataclass(frozen=True)
class ImageVae:
    """An image VAE and what tells it from others."""

    vae: ODVAE
    digest: str  # sha256 of its weights


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
        UserError: it has another width, or its weights are not to be had.
    """
    match config.source:
        case ImageVaeSource.bundled:
            vae = load(BUNDLED)
        case ImageVaeSource.local:
            vae = _local(
                config.recipe, architecture, train_ranges, cache=cache, arithmetic=arithmetic,
                report=report,
            )
        case ImageVaeSource.sd:
            vae = _sd(config.path)
    _check_fits(vae.architecture, architecture, source=config.source)
    return ImageVae(vae, digest=_digest(vae.state_dict()))


def _sd(path: str | None) -> ODVAE:
    vae = ODVAE.image(width=SD_WIDTH, blocks=SD_BLOCKS, norm_groups=SD_NORM_GROUPS)
    return inflate(vae, read_sd_vae(path), "tail").eval()


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
    data = [(r.name, r.path.stat().st_size, r.first_frame, r.end_frame) for r in ranges]
    model = {k: v for k, v in asdict(vae.architecture).items() if k != "operators"}
    identity = json.dumps([asdict(recipe), model, data], sort_keys=True)
    folder = cache / hashlib.sha256(identity.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            checkpoint = Path(f"{folder}.state.pt")
            trained = train_image_vae(
                vae, ranges, recipe, arithmetic=arithmetic, checkpoint=checkpoint, report=report()
            )
            trained.save(folder)
            checkpoint.unlink(missing_ok=True)
    return load(folder)


def _check_fits(image: Architecture, video: Architecture, *, source: ImageVaeSource) -> None:
    for name in ("width", "blocks", "latent_channels"):
        got, needed = getattr(image, name), getattr(video, name)
        if got != needed:
            raise UserError(
                f"image_vae={source.value} has {name} {got}, the model has model.{name}={needed}; "
                "choose another image_vae (bundled: width 16, sd: width 128, local: any) "
                "or init=random"
            )


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
