"""The sections of a configuration that belong to the run itself, to no part of odvae below it."""

from dataclasses import dataclass
from enum import Enum

from odvae.errors import UserError
from odvae.model import Initialisation
from odvae.vaes.methods import Method


class Task(Enum):
    """What a run does."""

    train = "train"  # initialise, check at step zero, train, evaluate
    evaluate = "evaluate"  # evaluate a saved model
    benchmark = "benchmark"  # measure speed and memory; needs no data and no weights
    encode = "encode"  # encode what trains, for a diffusion model to be trained on
    generate = "generate"  # evaluate, then train a diffusion model on the latents, and sample it


@dataclass(kw_only=True)
class ModelConfig:
    """Which method, and the sizes of what is trained; variant and operators stand beside it."""

    name: Method = Method.odvae
    width: int = 16  # channels of level 0; 128 in the paper
    blocks: int = 1  # residual blocks per encoder level; 2 in the paper
    latent_channels: int = 4
    norm_groups: int | str = 32  # a number, or channels/N


@dataclass(kw_only=True)
class WeightsConfig:
    """Weights of a method that is not trained, by its name: anything that odvae.load takes."""

    sd_vae: str | None = None  # null: the image VAE that runs start from
    svd_vae: str | None = None  # null: odvae trains a temporal decoder
    vqgan: str | None = None  # null, here and below: the hub is asked
    cogvideox: str | None = None
    wan: str | None = None
    hunyuan_video: str | None = None
    mochi: str | None = None
    ltx: str | None = None
    cosmos: str | None = None
    allegro: str | None = None
    magvit: str | None = None


@dataclass(kw_only=True)
class InitConfig:
    """How the weights start (paper section 3.4)."""

    how: Initialisation = Initialisation.tail


@dataclass(kw_only=True)
class BenchmarkConfig:
    """How speed is measured. Raises UserError for a field out of range."""

    repeats: int = 5  # timed calls; their median and quartiles are logged
    batch: int = 1  # clips a call
    accelerate: bool = False  # the model's faster equivalent, in place of itself
    threads: int | None = None  # of the CPU; null: as many as torch takes

    def __post_init__(self) -> None:
        for name in ("repeats", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"benchmark.{name} must be at least 1, got {getattr(self, name)}")
        if self.threads is not None and self.threads < 1:
            raise UserError(f"benchmark.threads must be null or at least 1, got {self.threads}")
