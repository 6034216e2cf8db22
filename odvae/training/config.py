"""What the training part of a run can be told."""

from dataclasses import dataclass, field

from odvae.errors import UserError
from odvae.metrics import LpipsBackbone
from odvae.training.precision import Device, Precision


@dataclass(kw_only=True)
class AdversarialConfig:
    """The discriminator and its part in the objective. Raises UserError, naming the field."""

    start_step: int | None = None  # steps before it plays; null: never
    weight: float = 0.5  # on the adversarial term, besides its adaptive weight
    learning_rate: float | None = None  # the discriminator's; null: the model's

    def __post_init__(self) -> None:
        where = "losses.adversarial"
        if self.start_step is not None and self.start_step < 0:
            raise UserError(f"{where}.start_step must be null or at least 0, got {self.start_step}")
        if not self.weight >= 0:
            raise UserError(f"{where}.weight must be at least 0, got {self.weight}")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise UserError(
                f"{where}.learning_rate must be null or above 0, got {self.learning_rate}"
            )


@dataclass(kw_only=True)
class LossConfig:
    """Weights of the objective's terms. Raises UserError for a field out of range."""

    kl_weight: float = 1e-6  # on the KL summed over a clip
    lpips_weight: float = 1.0  # 0 leaves the term out
    lpips_backbone: LpipsBackbone = LpipsBackbone.vgg
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)

    def __post_init__(self) -> None:
        for name in ("kl_weight", "lpips_weight"):
            if not getattr(self, name) >= 0:
                raise UserError(f"losses.{name} must be at least 0, got {getattr(self, name)}")


@dataclass(kw_only=True)
class TrainerConfig:
    """What a run computes on, and how it makes do with it. Raises UserError for a field."""

    device: Device = Device.auto
    precision: Precision = Precision.auto
    devices: int = 1  # of a node: as many processes train together, each on a part of the batch
    nodes: int = 1  # more than one: started by torchrun or Slurm
    accumulate: int = 1  # parts in which a process computes its part of the batch
    checkpoint_activations: bool = False  # less memory for a second forward pass; exact
    free_activations: bool = False  # likewise, and less of both: convolutions are kept
    channels_last: bool = False  # the order of values in memory
    compile: bool = False  # with torch.compile; the first steps take minutes

    def __post_init__(self) -> None:
        for name in ("devices", "nodes", "accumulate"):
            if getattr(self, name) < 1:
                raise UserError(f"trainer.{name} must be at least 1, got {getattr(self, name)}")
        for name in ("checkpoint_activations", "compile"):
            if self.free_activations and getattr(self, name):
                raise UserError(
                    f"trainer.free_activations=true is of no use with trainer.{name}=true, "
                    "which chooses itself what is kept: leave one out"
                )

    @property
    def processes(self) -> int:
        """That train together."""
        return self.devices * self.nodes


@dataclass(kw_only=True)
class TrainConfig:
    """Length and speed of a training. Raises UserError for a field out of range."""

    steps: int = 150
    batch: int = 2  # clips a step, over all processes
    learning_rate: float = 3e-4  # when the weights come from an image VAE
    learning_rate_random: float = 1e-3  # when they are random: a rate for one ruins the other
    ema_decay: float = 0.999
    curve_points: int = 4  # looks at the held-out clips during training, the last one included
    log_every_steps: int = 10
    checkpoint_every_s: float = 60.0
    max_bad_steps: int = 5  # in a row, not finite: then training goes back to a checkpoint, once
    keep_last: int = 2  # checkpoints, besides the best one

    def __post_init__(self) -> None:
        positive = ("batch", "curve_points", "log_every_steps", "max_bad_steps", "keep_last")
        for name in positive:
            if getattr(self, name) < 1:
                raise UserError(f"train.{name} must be at least 1, got {getattr(self, name)}")
        if self.steps < 0:
            raise UserError(f"train.steps must be at least 0, got {self.steps}")
        for name in ("learning_rate", "learning_rate_random"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"train.{name} must be above 0, got {getattr(self, name)}")
        if not self.checkpoint_every_s >= 0:
            raise UserError(
                f"train.checkpoint_every_s must be at least 0, got {self.checkpoint_every_s}"
            )
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"train.ema_decay must lie in [0, 1), got {self.ema_decay}")

    @property
    def curve_steps(self) -> list[int]:
        """Updates after which held-out clips are looked at; the last is the end of training."""
        return sorted({self.steps * (i + 1) // self.curve_points for i in range(self.curve_points)})
