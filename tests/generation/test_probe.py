"""The probe: it ranks what is easy before what is hard, always says the same, and holds out."""

import pytest
import torch
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.diffusion_config import DiffusionConfig
from odvae.generation.probe import ProbeBudget, ProbeResult, pooled, probe
from odvae.generation.sampling_config import SamplingConfig
from tests.generation.made_latents import SHAPE, MadeLatents, normal_latents
from tests.training.tiny import CPU


def _budget(steps: int) -> ProbeBudget:
    return ProbeBudget(
        steps=steps,
        samples=6,
        diffusion=DiffusionConfig(batch=8, learning_rate=3e-3, ema_decay=0.9),
        sampling=SamplingConfig(steps=4, batch=6),
    )


def _without_time(result: ProbeResult) -> dict[str, float]:
    return {name: value for name, value in result.values().items() if name != "probe_s"}


@pytest.mark.slow
def test_the_same_clip_over_and_over_is_easier_than_noise() -> None:
    noise = normal_latents(10, std=0.0)
    still = MadeLatents(noise.means[:1] + 0.01 * noise.means)
    hard, easy = (
        probe(made, seed=0, arithmetic=CPU, budget=_budget(40)) for made in (noise, still)
    )
    assert easy.validation_loss < hard.validation_loss
    assert hard.validation_loss > 0.95 * hard.white_loss
    assert_close(sum(hard.by_timestep.values()) / 8, hard.validation_loss)
    assert (hard.clips, hard.held_out) == (8, 2)
    assert hard.parameters == easy.parameters
    assert hard.latent_frechet > 0 and hard.seconds > 0
    variance = float(pooled(noise.means[torch.arange(6) * 10 // 6]).var(dim=0).sum())
    assert_close(hard.latent_frechet_share, hard.latent_frechet / variance, rtol=1e-4, atol=0)


def test_the_last_fifth_is_never_trained_on_and_the_seed_decides() -> None:
    latents = normal_latents(12)
    first = probe(latents, seed=0, arithmetic=CPU, budget=_budget(8))
    assert set(latents.drawn) <= set(range(10)) and len(set(latents.drawn)) > 8
    again = probe(latents, seed=0, arithmetic=CPU, budget=_budget(8))
    assert _without_time(again) == _without_time(first)
    other = probe(latents, seed=1, arithmetic=CPU, budget=_budget(8))
    assert _without_time(other) != _without_time(first)


def test_latents_are_pooled_to_a_coarse_grid() -> None:
    rows = pooled(torch.arange(2.0 * 4 * 3 * 8 * 8).view(2, *SHAPE))
    assert rows.shape == (2, 4 * 2 * 2 * 2)
    assert_close(rows.mean(dim=1)[1] - rows.mean(dim=1)[0], torch.tensor(4.0 * 3 * 8 * 8))
    assert pooled(torch.ones(1, 4, 1, 8, 1)).shape == (1, 4 * 2)


def test_few_clips_are_refused() -> None:
    with pytest.raises(UserError, match=r"^a probe needs at least 10 clips, got 9$"):
        probe(normal_latents(9), seed=0, arithmetic=CPU)
