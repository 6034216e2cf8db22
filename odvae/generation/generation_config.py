"""What can be said of a generation: the denoiser, how long it trains, what is made of it."""

from dataclasses import dataclass

from odvae.errors import UserError
from odvae.generation.denoiser import SIZES


@dataclass(kw_only=True)
class DenoiserConfig:
    """Which denoiser. Raises UserError for a size that there is not."""

    size: str = "tiny"  # a row of the table of sizes
    classes: bool = True  # class-conditional where the videos have classes

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UserError(f"denoiser.size must be one of {', '.join(SIZES)}, got {self.size}")


@dataclass(kw_only=True)
class GenerationConfig:
    """How long a denoiser trains, and its protocol. Raises UserError for a field out of range."""

    steps: int = 400  # of the denoiser's training
    clip_frames: int | None = None  # of a clip; null: data.clip_frames
    frame_stride: int | None = None  # every so many'th frame of a video; null: data.frame_stride
    samples: int = 32  # that are scored, against as many real clips if there are so many
    videos: int = 8  # samples that are kept as videos and shown side by side
    curve_points: int = 2  # looks at samples during training, the last one included
    probe: bool = True  # judge the latents by a small denoiser first

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("samples", 2), ("videos", 1), ("curve_points", 1)):
            if getattr(self, name) < least:
                raise UserError(
                    f"generation.{name} must be at least {least}, got {getattr(self, name)}"
                )
        for name in ("clip_frames", "frame_stride"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"generation.{name} must be null or at least 1, got {value}")

    @property
    def curve_steps(self) -> tuple[int, ...]:
        """Steps after which samples are looked at; the last is the end of training."""
        points = self.curve_points
        return tuple(sorted({self.steps * (i + 1) // points for i in range(points)} - {0}))
