"""New latents (B, c, t, h, w) from a denoiser, and clips (3, T, H, W) in [-1, 1] from those.

A sample is a function of (seed, its number), whatever batch it is made in.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser
from odvae.generation.diffusion import noise_schedule
from odvae.generation.diffusion_config import DiffusionConfig
from odvae.generation.latents import NO_CLASS
from odvae.generation.noise import Use, generator, normal
from odvae.generation.sampling_config import SamplingConfig, Scheduler
from odvae.inference import CodedVideo, Tiling, decode_video
from odvae.model import LatentScaling, VideoVAE
from odvae.training.precision import Arithmetic


def random_classes(numbers: Iterable[int], *, classes: int, seed: int) -> list[int]:
    """A class for each sample, all equally likely: a function of (seed, number)."""
    sources = (generator(Use.sample_class, seed, number) for number in numbers)
    return [int(torch.randint(classes, (), generator=source)) for source in sources]


def sample(
    denoiser: Denoiser,
    numbers: Sequence[int],
    *,
    diffusion: DiffusionConfig,
    sampling: SamplingConfig,
    seed: int,
    arithmetic: Arithmetic,
    classes: Sequence[int] | None = None,
) -> Iterator[tuple[Sequence[int], Tensor]]:
    """Make samples, a batch at a time.

    Args:
        denoiser: on the device of ``arithmetic``; its EMA, as a rule.
        numbers: which samples, from 0.
        diffusion: what it was trained with.
        sampling: how.
        seed: of the noise.
        arithmetic: where and how it computes; what the scheduler does is float32.
        classes: one a sample, -1 for none; None: none for all of them.

    Returns:
        Numbers of a batch and its latents, float32 (B, c, t, h, w) of unit variance.

    Raises:
        UserError: more steps than the denoiser was trained with, classes that it does not know,
            or guidance without classes.
    """
    _check(denoiser, numbers, diffusion, sampling, classes)
    firsts = range(0, len(numbers), sampling.batch)
    parts = [slice(first, first + sampling.batch) for first in firsts]
    return (
        (
            numbers[part],
            _denoised(
                denoiser,
                [generator(Use.sample, seed, number) for number in numbers[part]],
                None if classes is None else classes[part],
                diffusion=diffusion,
                sampling=sampling,
                arithmetic=arithmetic,
            ),
        )
        for part in parts
    )


def decode_samples(
    vae: VideoVAE,
    samples: Iterable[tuple[Sequence[int], Tensor]],
    *,
    scaling: LatentScaling,
    size: tuple[int, int, int],
    tiling: Tiling,
    arithmetic: Arithmetic,
) -> Iterator[tuple[int, Tensor]]:
    """Decode what ``sample`` gives, one clip at a time.

    Args:
        vae: the VAE of the latents, on the device of ``arithmetic``; it decodes in float32.
        samples: numbers and latents (B, c, t, h, w) of unit variance.
        scaling: how they were brought to it.
        size: (T, H, W) of the clips that the latents are of.
        tiling: how a clip is cut; ``Tiling.stream`` for long ones.
        arithmetic: where it computes.

    Returns:
        Number and clip, float32 (3, T, H, W) in [-1, 1], on the CPU.

    Raises:
        ValueError: latents that are not those of such a clip.
        UserError: the tiling does not suit the VAE.
    """
    for numbers, latents in samples:
        for number, one in zip(numbers, latents.split(1), strict=True):
            coded = CodedVideo(scaling.restore(one.to(arithmetic.device)), *size)
            with torch.inference_mode():
                clip = decode_video(vae, coded, tiling)[0]
            yield number, clip.float().clamp(-1, 1).cpu()


@torch.no_grad()
def _denoised(
    denoiser: Denoiser,
    generators: list[torch.Generator],
    classes: Sequence[int] | None,
    *,
    diffusion: DiffusionConfig,
    sampling: SamplingConfig,
    arithmetic: Arithmetic,
) -> Tensor:
    """Samples (B, c, t, h, w), each from a generator of its own."""
    scheduler = _scheduler(sampling.scheduler, diffusion)  # a new one, as some remember steps
    scheduler.set_timesteps(sampling.steps)
    x = normal(denoiser.shape, generators).to(arithmetic.device)
    rows = None if classes is None else torch.tensor(classes, device=arithmetic.device)
    for timestep in scheduler.timesteps.tolist():
        timesteps = torch.full((len(x),), timestep, device=arithmetic.device)
        with arithmetic.autocast():
            predicted = _guided(denoiser, x, timesteps, rows, guidance=sampling.guidance)
        x = scheduler.step(predicted, timestep, x, generator=generators, return_dict=False)[0]
    return x


def _guided(
    denoiser: Denoiser, x: Tensor, timesteps: Tensor, rows: Tensor | None, *, guidance: float
) -> Tensor:
    """Prediction under classifier-free guidance (Ho and Salimans 2022), in float32."""
    predicted: Tensor
    if rows is None or guidance == 1:
        predicted = denoiser(x, timesteps, rows)
        return predicted.float()
    twice = torch.cat([rows, torch.full_like(rows, NO_CLASS)])
    predicted = denoiser(x.repeat(2, 1, 1, 1, 1), timesteps.repeat(2), twice)
    of_class, of_none = predicted.float().chunk(2)
    return of_none + guidance * (of_class - of_none)


def _scheduler(which: Scheduler, config: DiffusionConfig) -> Any:
    """diffusers' scheduler, on the noise that the denoiser was trained with."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler  # takes seconds

    trained = noise_schedule(config)
    kinds: dict[Scheduler, Any] = {
        Scheduler.ddim: DDIMScheduler,
        Scheduler.dpm_solver: DPMSolverMultistepScheduler,
    }
    return kinds[which].from_config(trained.config) if which in kinds else trained


def _check(
    denoiser: Denoiser,
    numbers: Sequence[int],
    diffusion: DiffusionConfig,
    sampling: SamplingConfig,
    classes: Sequence[int] | None,
) -> None:
    if sampling.steps > diffusion.noise_steps:
        raise UserError(
            f"sampling.steps must be at most diffusion.noise_steps={diffusion.noise_steps}, "
            f"got {sampling.steps}"
        )
    if classes is None:
        if sampling.guidance != 1:
            raise UserError(f"sampling.guidance must be 1 without classes, got {sampling.guidance}")
        return
    if denoiser.classes is None:
        raise UserError("samples of classes need a denoiser with classes, got an unconditional one")
    if len(classes) != len(numbers):
        raise ValueError(f"{len(numbers)} samples need as many classes, got {len(classes)}")
    if not all(NO_CLASS <= one < denoiser.classes for one in classes):
        raise UserError(
            f"classes of samples must be -1 to {denoiser.classes - 1}, got {sorted(set(classes))}"
        )
