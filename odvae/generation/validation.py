"""The loss of a denoiser on clips that it has not seen: always the same noise at the same steps."""

import torch

from odvae.generation.denoiser import Denoiser
from odvae.generation.diffusion import classes_of, noise_schedule, noised
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.latents import Latents
from odvae.generation.noise import Use, generator, normal
from odvae.training.precision import Arithmetic

LEVELS = 8  # timesteps at which each clip is looked at
_AT_ONCE = 16  # clips


@torch.no_grad()
def validation_loss(
    denoiser: Denoiser, latents: Latents, config: DiffusionConfig, *, arithmetic: Arithmetic
) -> dict[int, float]:
    """Mean squared error of the predicted noise per latent value, by timestep.

    A predicted velocity is a prediction of the noise too: its error is that of the noise over
    sqrt(a_t). So losses compare whatever is predicted. Clips are the means of their posteriors.
    Noise is a function of the clip's number and of the level, so two denoisers of the same latents
    are shown the same.

    Args:
        denoiser: its EMA, as a rule.
        latents: held-out clips, at least one.
        config: of its training.
        arithmetic: where and how it computes.
    """
    schedule = noise_schedule(config)
    losses: dict[int, float] = {}
    for level in range(LEVELS):
        timestep = config.noise_steps * (2 * level + 1) // (2 * LEVELS)
        errors = []
        for numbers in torch.arange(len(latents)).split(_AT_ONCE):
            clean = latents.sample(numbers, noise=None)
            sources = [generator(Use.validation, level, clip) for clip in numbers.tolist()]
            noising = noised(
                schedule,
                clean.to(arithmetic.device),
                normal(denoiser.shape, sources).to(arithmetic.device),
                torch.full((len(numbers),), timestep, device=arithmetic.device),
                prediction=config.prediction,
            )
            classes = classes_of(denoiser, latents, numbers)
            with arithmetic.autocast():
                predicted = denoiser(noising.noisy, noising.timesteps, classes)
            errors.append((predicted.float() - noising.target).square().flatten(1).mean(dim=1))
        of_noise = 1.0
        if config.prediction is Prediction.v_prediction:
            of_noise = float(schedule.alphas_cumprod[timestep])
        losses[timestep] = of_noise * float(torch.cat(errors).double().mean())
    return losses
