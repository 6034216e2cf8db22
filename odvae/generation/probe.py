"""How hard latents (B, c, t, h, w) are to generate, in a minute or two: one small denoiser.

The denoiser, its budget and the noise it is judged on are always the same, so that VAEs can be
ranked. What it tells holds among latents trained on equally long; it is no substitute for a longer
run, whose ranking it is to be held against.
"""

import math
import time
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser, build
from odvae.generation.diffusion import diffusion_objective, initial_state, noise_schedule
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.latents import Latents, LatentShape
from odvae.generation.sampling import sample
from odvae.generation.sampling_config import SamplingConfig, Scheduler
from odvae.generation.validation import validation_loss
from odvae.metrics import frechet_distance_of
from odvae.training.loop import LoopConfig, train
from odvae.training.precision import Arithmetic

SIZE = "tiny"
HELD_OUT = 5  # every so many'th part of the clips, the last ones
LEAST_CLIPS = 10  # so that two are held out
POOLED = (2, 2, 2)  # places in time, height and width that a latent is averaged to


@dataclass(frozen=True, kw_only=True)
class ProbeBudget:
    """What a probe may spend. Only probes of one budget compare."""

    steps: int = 300
    samples: int = 128
    diffusion: DiffusionConfig = field(
        default_factory=lambda: DiffusionConfig(
            # Predicted noise would need a longer training: at the noisiest timestep its error
            # comes back 158 times as large in the sample.
            prediction=Prediction.v_prediction,
            batch=8,
            learning_rate=2e-3,
            ema_decay=0.99,
        )
    )
    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(scheduler=Scheduler.ddim, steps=20, batch=32)
    )


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What a probe found; lower is easier.

    Attributes:
        validation_loss: mean squared error of the predicted noise per latent value, on held-out
            clips.
        white_loss: what the best denoiser has of white noise, in which there is nothing to learn.
        by_timestep: the same at each timestep, of which it is the mean.
        latent_frechet: between pooled samples and pooled real latents, all of unit variance. It
            grows with the variance that pooling leaves, which is more where latents are smooth.
        latent_frechet_share: the same over that variance, which is what compares between VAEs;
            NaN where the real ones are all alike.
        clips: that were trained on.
        held_out: that were not.
        parameters: of the denoiser, nearly the same for all latents.
        seconds: that it took.
    """

    validation_loss: float
    white_loss: float
    by_timestep: dict[int, float]
    latent_frechet: float
    latent_frechet_share: float
    clips: int
    held_out: int
    parameters: int
    seconds: float

    def values(self) -> dict[str, float]:
        """The numbers by metric name."""
        return {
            "probe_validation_loss": self.validation_loss,
            "probe_latent_frechet": self.latent_frechet,
            "probe_latent_frechet_share": self.latent_frechet_share,
            "probe_s": self.seconds,
        }


@dataclass(frozen=True)
class _Part:
    """Some consecutive clips of a set."""

    whole: Latents
    numbers: range

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> LatentShape:
        """As ``Latents.shape``."""
        return self.whole.shape

    def sample(self, numbers: Tensor, *, noise: Tensor | None) -> Tensor:
        """As ``Latents.sample``: (B, c, t, h, w)."""
        return self.whole.sample(numbers + self.numbers.start, noise=noise)

    def labels(self, numbers: Tensor) -> Tensor:
        """As ``Latents.labels``: (B,)."""
        return self.whole.labels(numbers + self.numbers.start)


def probe(
    latents: Latents,
    *,
    seed: int,
    arithmetic: Arithmetic,
    budget: ProbeBudget | None = None,
) -> ProbeResult:
    """Train the small denoiser on four fifths of the clips, without classes; judge it.

    The last fifth is held out: clips of a video that is on both sides would tell little.

    Args:
        latents: at least 10 clips.
        seed: of weights, batches and samples; the noise of validation is always the same.
        arithmetic: where and how it computes.
        budget: None: the one that numbers are compared under.

    Raises:
        UserError: fewer than 10 clips.
    """
    budget = budget or ProbeBudget()
    if len(latents) < LEAST_CLIPS:
        raise UserError(f"a probe needs at least {LEAST_CLIPS} clips, got {len(latents)}")
    start_s = time.monotonic()
    kept = len(latents) - len(latents) // HELD_OUT
    seen, held_out = _Part(latents, range(kept)), _Part(latents, range(kept, len(latents)))
    denoiser = _trained(seen, budget, seed=seed, arithmetic=arithmetic)
    losses = validation_loss(denoiser, held_out, budget.diffusion, arithmetic=arithmetic)
    kept_signal = noise_schedule(budget.diffusion).alphas_cumprod
    frechet, variance = _frechet(denoiser, latents, budget, seed=seed, arithmetic=arithmetic)
    return ProbeResult(
        validation_loss=sum(losses.values()) / len(losses),
        white_loss=float(kept_signal[list(losses)].mean()),
        by_timestep=losses,
        latent_frechet=frechet,
        latent_frechet_share=frechet / variance if variance else math.nan,
        clips=len(seen),
        held_out=len(held_out),
        parameters=sum(parameter.numel() for parameter in denoiser.parameters()),
        seconds=time.monotonic() - start_s,
    )


def pooled(latents: Tensor) -> Tensor:
    """Latents (B, c, t, h, w) averaged over a coarse grid of places, as rows (B, D)."""
    frames, height, width = (
        min(most, side) for most, side in zip(POOLED, latents.shape[2:], strict=True)
    )
    return F.adaptive_avg_pool3d(latents, (frames, height, width)).flatten(1)


def _trained(
    latents: Latents, budget: ProbeBudget, *, seed: int, arithmetic: Arithmetic
) -> Denoiser:
    """The average of a denoiser trained on them."""
    denoiser = build(SIZE, latents.shape, classes=None, seed=seed).to(arithmetic.device)
    state = initial_state(denoiser, budget.diffusion)
    train(
        state,
        diffusion_objective(denoiser, latents, budget.diffusion, seed=seed),
        LoopConfig(steps=budget.steps, log_every_steps=budget.steps, checkpoint_every_s=1e9),
        arithmetic=arithmetic,
        checkpoints=None,
        report=lambda step, numbers: None,
    )
    average = state.ema.model
    assert isinstance(average, Denoiser)
    return average


def _frechet(
    denoiser: Denoiser,
    latents: Latents,
    budget: ProbeBudget,
    *,
    seed: int,
    arithmetic: Arithmetic,
) -> tuple[float, float]:
    """Distance of pooled samples from pooled real latents, and the variance of the latter."""
    made = sample(
        denoiser,
        range(budget.samples),
        diffusion=budget.diffusion,
        sampling=budget.sampling,
        seed=seed,
        arithmetic=arithmetic,
    )
    samples = torch.cat([pooled(batch).cpu() for _, batch in made])
    # So many at most as there are samples, spread over the whole set.
    count = min(len(latents), budget.samples)
    chosen = torch.arange(count) * len(latents) // count
    parts = chosen.split(budget.sampling.batch)
    real = torch.cat([pooled(latents.sample(part, noise=None)) for part in parts])
    variance = float(real.double().var(dim=0).sum())
    return frechet_distance_of(real, samples), variance
