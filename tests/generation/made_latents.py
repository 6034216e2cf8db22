"""Latents that are made up, and denoisers whose answers are known. Latents are (B, c, t, h, w)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from odvae.generation.denoiser import SIZES, Denoiser, build
from odvae.generation.diffusion import noise_schedule
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.latents import LatentShape

SHAPE: LatentShape = (4, 3, 8, 8)


@dataclass(frozen=True)
class MadeLatents:
    """Latents in memory; ``drawn`` remembers which were drawn from their posteriors."""

    means: Tensor  # (N, c, t, h, w)
    std: float = 0.0
    classes: Tensor | None = None  # (N,)
    drawn: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.means)

    @property
    def shape(self) -> LatentShape:
        channels, frames, height, width = self.means.shape[1:]
        return channels, frames, height, width

    def sample(self, numbers: Tensor, *, noise: Tensor | None) -> Tensor:
        if noise is None:
            return self.means[numbers]
        self.drawn.extend(numbers.tolist())
        return self.means[numbers] + self.std * noise

    def labels(self, numbers: Tensor) -> Tensor:
        if self.classes is None:
            return torch.full((len(numbers),), -1)
        return self.classes[numbers]


def normal_latents(
    count: int, *, shape: LatentShape = SHAPE, std: float = 0.1, classes: Tensor | None = None
) -> MadeLatents:
    """White noise, always the same."""
    source = torch.Generator().manual_seed(0)
    return MadeLatents(torch.randn(count, *shape, generator=source), std, classes)


def awake(
    shape: LatentShape = SHAPE, *, classes: int | None = None, size: str = "tiny"
) -> Denoiser:
    """A denoiser with random weights throughout: a new one predicts zeros."""
    denoiser = build(size, shape, classes=classes, seed=0)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            fan = parameter.shape[-1] ** 0.5
            parameter.copy_(torch.randn(parameter.shape, generator=source) / fan)
    return denoiser.eval()


class KnowingDenoiser(Denoiser):
    """Predicts exactly: it knows the one clean sample of each class, the last being that of none.

    Args:
        clean: (classes + 1, c, t, h, w).
        config: whose schedule it goes by.
    """

    def __init__(self, clean: Tensor, config: DiffusionConfig) -> None:
        channels, frames, height, width = clean.shape[1:]
        shape = (channels, frames, height, width)
        super().__init__(SIZES["tiny"], shape, classes=len(clean) - 1)
        self.clean = clean
        self.kept: Tensor = noise_schedule(config).alphas_cumprod
        self.prediction = config.prediction
        self.clips_asked = 0

    def forward(self, latents: Tensor, timesteps: Tensor, classes: Tensor | None) -> Tensor:
        self.clips_asked += len(latents)
        rows = torch.full_like(timesteps, -1) if classes is None else classes
        clean = self.clean[rows]
        kept = self.kept[timesteps].view(-1, 1, 1, 1, 1)
        noise = (latents - kept.sqrt() * clean) / (1 - kept).sqrt()
        if self.prediction is Prediction.epsilon:
            return noise
        return kept.sqrt() * noise - (1 - kept).sqrt() * clean
