"""What the denoiser minimises: the mean squared error of the noise in latents (B, c, t, h, w).

Ho et al. 2020, with the schedule and the rates of Latte. It is an objective of the one training
loop. A batch is the numbers of its clips, int64 (B,); their latents are looked up by the loss.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.latents import NO_CLASS, Latents
from odvae.generation.noise import Use, generator
from odvae.training.ema import Ema
from odvae.training.objective import Losses, Objective, Place
from odvae.training.state import MODEL, TrainingState
from odvae.training.team import Alone, Team

QUARTERS = 4  # of the timesteps, by which the loss is reported


def noise_schedule(config: DiffusionConfig) -> Any:
    """The schedule as diffusers' DDPMScheduler, from which those of sampling are made.

    Timesteps of a shorter schedule start at the noisiest one; latents are not clipped.
    """
    from diffusers import DDPMScheduler  # takes seconds

    return DDPMScheduler(  # type: ignore[no-untyped-call, unused-ignore]
        num_train_timesteps=config.noise_steps,
        beta_start=config.beta_start,
        beta_end=config.beta_end,
        beta_schedule="linear",
        prediction_type=config.prediction.value,
        clip_sample=False,
        timestep_spacing="trailing",
    )


@dataclass(frozen=True, kw_only=True)
class Noising:
    """Latents at noise levels, and what is to be predicted of them."""

    noisy: Tensor  # (B, c, t, h, w)
    target: Tensor  # (B, c, t, h, w)
    timesteps: Tensor  # int64 (B,)


def noised(
    schedule: Any, clean: Tensor, noise: Tensor, timesteps: Tensor, *, prediction: Prediction
) -> Noising:
    """Add noise (B, c, t, h, w) of timesteps (B,) to latents (B, c, t, h, w)."""
    noisy = schedule.add_noise(clean, noise, timesteps)
    match prediction:
        case Prediction.epsilon:
            target = noise
        case Prediction.v_prediction:
            target = schedule.get_velocity(clean, noise, timesteps)
    return Noising(noisy=noisy, target=target, timesteps=timesteps)


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """All that is random about a clip of a step."""

    posterior: Tensor  # noise (c, t, h, w) of its latents
    noise: Tensor  # (c, t, h, w), to be predicted
    timestep: int
    drops_class: bool


@dataclass(frozen=True, kw_only=True)
class DiffusionLoss:
    """The objective. What is random about a clip is a function of (seed, step, its number).

    The timesteps of a batch are spread evenly over the schedule, each drawn within its share of it
    (Kingma et al. 2021): which clip gets which is chance, and the loss varies less.
    """

    denoiser: Denoiser
    latents: Latents
    config: DiffusionConfig
    schedule: Any  # of ``noise_schedule``
    seed: int

    def __call__(self, numbers: Tensor, place: Place) -> Losses:
        """The term of clips by their numbers (B,).

        Reported beside it: four times what each quarter of the timesteps adds to it, from the
        least noise to the most. Their mean is the loss.
        """
        numbers = numbers.cpu()
        draws = [self._draw(place.step, place.first_clip + i) for i in range(len(numbers))]
        device = self.denoiser.device
        posterior = torch.stack([draw.posterior for draw in draws])
        noising = noised(
            self.schedule,
            self.latents.sample(numbers, noise=posterior).to(device),
            torch.stack([draw.noise for draw in draws]).to(device),
            torch.tensor([draw.timestep for draw in draws], device=device),
            prediction=self.config.prediction,
        )
        dropped = torch.tensor([draw.drops_class for draw in draws])
        classes = classes_of(self.denoiser, self.latents, numbers, dropped=dropped)
        predicted = self.denoiser(noising.noisy, noising.timesteps, classes)
        errors = (predicted.float() - noising.target).square().flatten(1).mean(dim=1)  # (B,)
        return Losses({"diffusion": errors.mean()}, self._by_quarter(errors, noising.timesteps))

    def _draw(self, step: int, clip: int) -> _Draw:
        source = generator(Use.training_clip, self.seed, step, clip)
        posterior, noise = torch.randn(2, *self.denoiser.shape, generator=source)
        within, chance = torch.rand(2, generator=source, dtype=torch.float64).tolist()
        last = self.config.noise_steps - 1
        timestep = int((clip + within) / self.config.batch * self.config.noise_steps)
        return _Draw(
            posterior=posterior,
            noise=noise,
            timestep=min(timestep, last),
            drops_class=chance < self.config.class_dropout,
        )

    def _by_quarter(self, errors: Tensor, timesteps: Tensor) -> dict[str, Tensor]:
        quarters = timesteps * QUARTERS // self.config.noise_steps
        errors = errors.detach()
        return {
            f"diffusion_quarter_{quarter + 1}": QUARTERS * (errors * (quarters == quarter)).mean()
            for quarter in range(QUARTERS)
        }


def classes_of(
    denoiser: Denoiser, latents: Latents, numbers: Tensor, *, dropped: Tensor | None = None
) -> Tensor | None:
    """Classes (B,) of clips on the denoiser's device; None where it knows of none.

    Args:
        denoiser: says whether there are any.
        latents: the clips.
        numbers: int64 (B,), on the CPU.
        dropped: bool (B,), those that go without.
    """
    if denoiser.classes is None:
        return None
    classes = latents.labels(numbers)
    if dropped is not None:
        classes = classes.masked_fill(dropped, NO_CLASS)
    return classes.to(denoiser.device)


def diffusion_objective(
    denoiser: Denoiser,
    latents: Latents,
    config: DiffusionConfig,
    *,
    seed: int,
    team: Team | None = None,
) -> Objective:
    """Random clips, a function of (seed, step); a constant learning rate.

    Raises:
        UserError: no clips, classes that the denoiser does not know, or a batch that cannot be
            shared by the team.
    """
    team = team or Alone()
    _check(denoiser, latents, config, team)
    loss = DiffusionLoss(
        denoiser=denoiser,
        latents=latents,
        config=config,
        schedule=noise_schedule(config),
        seed=seed,
    )
    return Objective(
        batches=_batches(len(latents), config.batch, seed=seed, team=team),
        losses={MODEL: loss},
        gradient_clip=config.gradient_clip,
    )


def initial_state(denoiser: Denoiser, config: DiffusionConfig) -> TrainingState:
    """Adam and EMA around a denoiser, which is where it is to be trained."""
    adam = torch.optim.Adam(denoiser.parameters(), lr=config.learning_rate)
    return TrainingState(
        modules={MODEL: denoiser},
        optimisers={MODEL: [adam]},
        ema=Ema(denoiser, decay=config.ema_decay),
    )


def _batches(
    clips: int, batch: int, *, seed: int, team: Team
) -> Callable[[int, int, int], Iterator[Tensor]]:
    share = batch // team.size
    part = slice(team.rank * share, (team.rank + 1) * share)

    def batches(first: int, end: int, data_round: int) -> Iterator[Tensor]:
        for step in range(first, end):
            source = generator(Use.batch, seed, step, data_round)
            yield torch.randint(clips, (batch,), generator=source)[part]

    return batches


def _check(denoiser: Denoiser, latents: Latents, config: DiffusionConfig, team: Team) -> None:
    if len(latents) == 0:
        raise UserError("diffusion: there are no latents to train on")
    if config.batch % team.size:
        raise UserError(
            f"diffusion.batch must be a multiple of the {team.size} processes, got {config.batch}"
        )
    if denoiser.classes is None:
        return
    highest = int(latents.labels(torch.arange(len(latents))).max())
    if not 0 <= highest < denoiser.classes:
        got = "none of them has any" if highest < 0 else f"they go up to {highest}"
        raise UserError(
            f"denoiser.classes={denoiser.classes} needs clips of classes below that, but {got}"
        )
