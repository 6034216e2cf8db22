"""Latents as diffusers' pipelines scale them for a diffusion model."""

import pytest
import torch
from torch.testing import assert_close

from odvae.model import LatentScaling
from odvae.vaes.diffusers_vae import DiffusersVAE
from tests.vaes.tiny_vaes import tiny


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("AutoencoderKLTemporalDecoder", 0.18215),
        ("VQModel", 0.18215),
        ("AutoencoderKLCogVideoX", 1.15258426),
        ("AutoencoderKLHunyuanVideo", 0.476986),
        ("AutoencoderKLAllegro", 0.13),
        ("AutoencoderKLMagvit", 0.7125),
    ],
)
def test_one_factor(name: str, factor: float) -> None:
    assert DiffusersVAE(tiny(name)).latent_scaling == LatentScaling(scale=(factor,))


@pytest.mark.parametrize("name", ["AutoencoderKLWan", "AutoencoderKLMochi"])
def test_mean_and_deviation_of_each_channel(name: str) -> None:
    inner = tiny(name)
    mean, std = (torch.tensor(inner.config[f"latents_{key}"]) for key in ("mean", "std"))
    latents = torch.randn(2, len(mean), 3, 4, 4)
    scaled = DiffusersVAE(inner).latent_scaling.normalise(latents)
    expected = (latents - mean.view(-1, 1, 1, 1)) / std.view(-1, 1, 1, 1)
    assert_close(scaled, expected)


def test_mochi_without_statistics_has_one_factor() -> None:
    changes = {"latents_mean": None, "latents_std": None, "scaling_factor": 3.0}
    vae = DiffusersVAE(tiny("AutoencoderKLMochi", changes))
    assert vae.latent_scaling == LatentScaling(scale=(3.0,))


def test_ltx_keeps_its_statistics_among_its_weights() -> None:
    inner = tiny("AutoencoderKLLTXVideo", {"scaling_factor": 0.5})
    inner.latents_mean += torch.arange(8)
    inner.latents_std *= 2
    scaling = DiffusersVAE(inner).latent_scaling
    assert scaling == LatentScaling(scale=(0.25,) * 8, shift=tuple(map(float, range(8))))


def test_cosmos_statistics_by_latent_frame_are_pooled() -> None:
    # Channel 0: means -1 and 1 about 0, deviation 1, so variance 2. Channel 1: the same twice.
    changes = {
        "latent_channels": 2,
        "latents_mean": [-1.0, 1.0, 3.0, 3.0],
        "latents_std": [1.0, 1.0, 2.0, 2.0],
    }
    scaling = DiffusersVAE(tiny("AutoencoderKLCosmos", changes)).latent_scaling
    assert scaling.shift == (0.0, 3.0)
    assert scaling.scale == pytest.approx((0.5**0.5, 0.5))
