"""The whole configuration of a run. Each section is defined beside the code that it configures."""

import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from odvae.config_checks import check_task
from odvae.config_identity import (
    BENCHMARK_FIELDS,
    FACTORS,
    GENERATION_FIELDS,
    NOT_IDENTITY,
    OF_OUR_OWN,
    OTHER_TASKS,
    SPEED_DEPENDS_ON,
    digest_of,
    flat,
    plain,
)
from odvae.config_protocol import check_filled, evaluation_data, filled
from odvae.config_sections import BenchmarkConfig, InitConfig, ModelConfig, Task, WeightsConfig
from odvae.data import DataConfig, DataSource
from odvae.errors import UserError
from odvae.generation.diffusion_config import DiffusionConfig
from odvae.generation.generation_config import DenoiserConfig, GenerationConfig
from odvae.generation.latent_plan import LatentsConfig
from odvae.generation.sampling_config import SamplingConfig
from odvae.inference import TilingConfig
from odvae.metrics import MetricsConfig, ProtocolConfig
from odvae.model import VIDEO_VARIANTS, Architecture, Initialisation, Operators
from odvae.training.config import LossConfig, TrainConfig, TrainerConfig
from odvae.training.image_source import ImageVaeConfig, ImageVaeSource
from odvae.vaes.methods import Method

__all__ = [
    "ModelConfig",
    "RunConfig",
    "Task",
    "WeightsConfig",
    "field_names",
    "register",
    "resolve",
]
__all__ += ["unknown_field"]


@dataclass(kw_only=True)
class RunConfig:
    """Everything that can differ between two runs. Raises UserError, naming the field."""

    preset: str = MISSING  # the name of the preset, for tables
    task: Task = Task.train
    variant: int = 4  # a row of the table of variants
    operators: Operators = Operators.paper
    seed: int = 0
    checkpoint: str | None = None  # not to train: an OD-VAE, anything that odvae.load takes
    rerun: bool = False  # run again although it is finished
    dry_run: bool = False  # say what it would cost, do not run
    output_dir: str = "outputs"
    model: ModelConfig = field(default_factory=ModelConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    init: InitConfig = field(default_factory=InitConfig)
    image_vae: ImageVaeConfig = field(default_factory=ImageVaeConfig)
    tiling: TilingConfig = field(default_factory=TilingConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    benchmark: BenchmarkConfig = field(default_factory=BenchmarkConfig)
    latents: LatentsConfig = field(default_factory=LatentsConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        if self.variant not in VIDEO_VARIANTS:
            allowed = ", ".join(map(str, VIDEO_VARIANTS))
            raise UserError(f"variant must be one of {allowed}, got {self.variant}")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed must be at least 0 and below 2**31, got {self.seed}")
        check_filled(self.metrics.protocol, self.data)
        check_task(self)
        self.architecture()

    @property
    def weights_field(self) -> str:
        """The field that says where the weights of the method are."""
        is_ours = self.model.name is Method.odvae
        return "checkpoint" if is_ours else f"weights.{self.model.name.value}"

    @property
    def weights_source(self) -> str | None:
        """Where the weights are that are evaluated; None: the run has to make them."""
        if self.model.name is Method.odvae:
            return self.checkpoint
        given: str | None = getattr(self.weights, self.model.name.value, None)
        if self.task is Task.benchmark:  # where random ones do
            return given
        return given or self.model.name.row.hub_id

    @property
    def output(self) -> Path:
        """The folder that results go to."""
        return Path(self.output_dir).expanduser().absolute()

    @property
    def cache(self) -> Path:
        """For what several runs of an output folder compute once."""
        return self.output / "cache"

    @property
    def evaluation_data(self) -> DataConfig:
        """The data, with the clips that models are scored on."""
        return evaluation_data(self.metrics.protocol, self.data)

    @property
    def protocol(self) -> ProtocolConfig:
        """How models are scored, nothing left to ``data``."""
        return filled(self.metrics.protocol, self.data)

    def architecture(self) -> Architecture:
        """The model that the fields describe."""
        fixed = self.model.name.row.variant
        return Architecture(
            variant=self.variant if fixed is None else fixed,
            width=self.model.width,
            blocks=self.model.blocks,
            latent_channels=self.model.latent_channels,
            norm_groups=self.model.norm_groups,
            # An image encoder knows no clip to take statistics over.
            operators=self.operators if fixed is None else Operators.strict,
        )

    def flat(self) -> dict[str, Any]:
        """Every field by its dotted name, as typed on the command line."""
        return flat(plain(asdict(self)))

    def determining(self) -> dict[str, Any]:
        """The fields that determine the result, together with what lies at the paths."""
        unread = NOT_IDENTITY | self._unread()
        return {name: value for name, value in self.flat().items() if name not in unread}

    def digest(self) -> str:
        """Hash of the fields that determine the result."""
        return digest_of(self.determining(), without=set())

    def setting(self) -> str:
        """Hash of what runs must share for variants, initialisations and seeds to compare."""
        others = BENCHMARK_FIELDS if self.task is Task.generate else OTHER_TASKS
        return digest_of(self.flat(), without=NOT_IDENTITY | FACTORS | others)[:8]

    def _unread(self) -> set[str]:
        """Fields that the values of others make irrelevant."""
        if self.task is Task.benchmark:
            return set(self.flat()) - self._benchmarked()
        random = self.init.how is Initialisation.random
        unread = {"train.learning_rate" if random else "train.learning_rate_random"}
        match self.task:
            case Task.generate:
                unread |= BENCHMARK_FIELDS
            case Task.encode:
                unread |= BENCHMARK_FIELDS | GENERATION_FIELDS
            case _:
                unread |= OTHER_TASKS
        if self.model.name is not Method.odvae:
            unread |= {"variant", "operators"}
        if self.data.source is not DataSource.ucf101:
            unread.add("data.fold")
        if self.losses.adversarial.start_step is None:
            unread |= {"losses.adversarial.weight", "losses.adversarial.learning_rate"}
        unread |= {f"tiling.{name}" for name in self.tiling.unread()}
        if random or self.image_vae.resolved(self.model.width) is not ImageVaeSource.local:
            unread |= self._below("image_vae.recipe.")
        return unread

    def _benchmarked(self) -> set[str]:
        """Fields that a benchmark reads."""
        unread = {f"tiling.{name}" for name in self.tiling.unread()}
        read = SPEED_DEPENDS_ON | BENCHMARK_FIELDS | (self._below("tiling.") - unread)
        if self.model.name.is_trainable and self.weights_source is None:
            read |= OF_OUR_OWN
            if self.model.name is Method.odvae:
                read |= {"variant", "operators"}
        return read

    def _below(self, prefix: str) -> set[str]:
        return {name for name in self.flat() if name.startswith(prefix)}


def register() -> None:
    """Give Hydra the schema: a misspelt key or a wrong type then fails at composition."""
    ConfigStore.instance().store(name="schema", node=RunConfig)


def resolve(composed: DictConfig) -> RunConfig:
    """Turn what Hydra composed into checked dataclasses. Raises UserError."""
    wanted, got = set(field_names()), set(_names(composed))
    for name in sorted(got - wanted):  # added with +; OmegaConf would drop it without a word
        raise UserError(unknown_field(name))
    for name in sorted(wanted - got):  # deleted with ~
        raise UserError(f"{name} cannot be taken out of a run")
    config = OmegaConf.to_object(composed)
    assert isinstance(config, RunConfig), "the schema is the root of the defaults list"
    return config


def field_names() -> list[str]:
    """Every field by its dotted name."""
    return list(_names(OmegaConf.structured(RunConfig)))


def unknown_field(name: str) -> str:
    """The message for a name that is no field, with the fields that may have been meant."""
    fields = field_names()
    near = [field for field in fields if field.rpartition(".")[2] == name]
    near = near or difflib.get_close_matches(name, fields, n=3, cutoff=0.75)
    hint = f"did you mean {' or '.join(near)}?" if near else "--help lists all fields"
    return f"{name} is no field of a run; {hint}"


def _names(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, node):
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none():
            yield from _names(child, f"{prefix}{key}.")
        else:
            yield prefix + key
