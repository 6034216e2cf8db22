"""What can be said of a diffusion: its noise, what is predicted, how the denoiser is trained."""

from dataclasses import dataclass
from enum import Enum

from odvae.errors import UserError


class Prediction(Enum):
    """What the denoiser predicts, of x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e."""

    epsilon = "epsilon"  # the noise e
    v_prediction = "v_prediction"  # sqrt(a_t) e - sqrt(1 - a_t) x_0


@dataclass(kw_only=True)
class DiffusionConfig:
    """The diffusion and how its denoiser is trained. Raises UserError for a field out of range."""

    noise_steps: int = 1000
    beta_start: float = 1e-4  # of the variances added at a step, which rise linearly
    beta_end: float = 0.02
    prediction: Prediction = Prediction.epsilon
    class_dropout: float = 0.1  # part of the clips that train without their class, for guidance
    batch: int = 8  # clips a step, over all processes
    learning_rate: float = 1e-4
    ema_decay: float = 0.9999
    gradient_clip: float = 1.0  # the gradient's norm at most

    def __post_init__(self) -> None:
        for name in ("noise_steps", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"diffusion.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise UserError(
                "diffusion.beta_start and diffusion.beta_end must rise within (0, 1), "
                f"got {self.beta_start} and {self.beta_end}"
            )
        for name in ("class_dropout", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"diffusion.{name} must lie in [0, 1), got {getattr(self, name)}")
        for name in ("learning_rate", "gradient_clip"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"diffusion.{name} must be above 0, got {getattr(self, name)}")
