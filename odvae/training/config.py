"""What the training part of a run can be told."""

from dataclasses import dataclass

from odvae.errors import UserError
from odvae.metrics import LpipsBackbone
from odvae.training.precision import Device, Precision


@dataclass(kw_only=True)
class LossConfig:
    """Weights of the objective's terms. Raises UserError for a field out of range."""

    kl_weight: float = 1e-6  # on the KL summed over a clip
    lpips_weight: float = 1.0  # 0 leaves the term out
    lpips_backbone: LpipsBackbone = LpipsBackbone.vgg

    def __post_init__(self) -> None:
        for field in ("kl_weight", "lpips_weight"):
            if not getattr(self, field) >= 0:
                raise UserError(f"losses.{field} must be at least 0, got {getattr(self, field)}")


@dataclass(kw_only=True)
class TrainConfig:
    """Length and speed of a training. Raises UserError for a field out of range."""

    steps: int = 150
    batch: int = 2  # clips a step
    learning_rate: float = 3e-4  # when the weights come from an image VAE
    learning_rate_random: float = 1e-3  # when they are random: a rate for one ruins the other
    ema_decay: float = 0.999
    curve_points: int = 4  # looks at the held-out clips during training, the last one included
    log_every_steps: int = 10
    checkpoint_every_s: float = 60.0
    device: Device = Device.auto
    precision: Precision = Precision.auto

    def __post_init__(self) -> None:
        for field in ("batch", "curve_points", "log_every_steps"):
            if getattr(self, field) < 1:
                raise UserError(f"train.{field} must be at least 1, got {getattr(self, field)}")
        if self.steps < 0:
            raise UserError(f"train.steps must be at least 0, got {self.steps}")
        for field in ("learning_rate", "learning_rate_random"):
            if not 0 < getattr(self, field) < float("inf"):
                raise UserError(f"train.{field} must be above 0, got {getattr(self, field)}")
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
