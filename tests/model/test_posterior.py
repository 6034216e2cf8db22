"""The posterior against torch.distributions and closed forms."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from odvae.model import Posterior


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def constant(mean: float, logvar: float) -> Posterior:
    """2 clips of 4 x 3 x 2 x 2 latents."""
    halves = [torch.full((2, 4, 3, 2, 2), value) for value in (mean, logvar)]
    return Posterior(torch.cat(halves, dim=1))


def test_first_half_is_the_mean_second_the_logvar() -> None:
    moments = noise(2, 8, 3, 4, 5)
    posterior = Posterior(moments)
    assert_close(posterior.mean, moments[:, :4], atol=0, rtol=0)
    assert_close(posterior.logvar, moments[:, 4:], atol=0, rtol=0)
    assert_close(posterior.mode(), posterior.mean, atol=0, rtol=0)


@pytest.mark.parametrize(("raw", "used"), [(-1000.0, -30.0), (1000.0, 20.0), (3.0, 3.0)])
def test_logvar_is_clamped_when_used_and_kept_raw(raw: float, used: float) -> None:
    posterior = constant(0.0, raw)
    assert (posterior.logvar == used).all()
    assert (posterior.moments[:, 4:] == raw).all()


def test_kl_of_the_unit_normal_is_zero_for_each_clip() -> None:
    assert_close(constant(0.0, 0.0).kl(), torch.zeros(2), atol=0, rtol=0)


def test_kl_closed_form() -> None:
    values = 4 * 3 * 2 * 2
    expected = values * 0.5 * (1.5**2 + 4 - 1 - math.log(4))
    assert_close(constant(1.5, math.log(4)).kl(), torch.full((2,), expected))


def test_kl_is_summed_over_each_clip_by_itself() -> None:
    posterior = Posterior(noise(3, 8, 2, 4, 5))
    normal = Normal(posterior.mean, (posterior.logvar / 2).exp())
    unit = Normal(torch.zeros_like(posterior.mean), torch.ones_like(posterior.mean))
    assert_close(posterior.kl(), kl_divergence(normal, unit).sum(dim=(1, 2, 3, 4)))
    assert posterior.kl().shape == (3,)


def test_samples_follow_their_generator() -> None:
    posterior = Posterior(noise(2, 8, 3, 4, 5))
    first, again, other = (
        posterior.sample(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (2, 4, 3, 4, 5)
    assert_close(again, first, atol=0, rtol=0)
    assert not torch.equal(other, first)


def test_samples_have_the_mean_and_the_deviation() -> None:
    mean, std, count = 3.0, 0.5, 100_000
    moments = torch.cat(
        [torch.full((1, 1, count, 1, 1), value) for value in (mean, 2 * math.log(std))], dim=1
    )
    samples = Posterior(moments).sample(torch.Generator().manual_seed(0))
    error = 5 * std / count**0.5
    assert_close(samples.mean().item(), mean, atol=error, rtol=0)
    assert_close(samples.std().item(), std, atol=error, rtol=0)


def test_gradients_reach_mean_and_logvar() -> None:
    moments = noise(1, 8, 2, 3, 3).requires_grad_()
    posterior = Posterior(moments)
    loss = posterior.sample(torch.Generator().manual_seed(0)).sum() + posterior.kl().sum()
    (gradient,) = torch.autograd.grad(loss, moments)
    assert (gradient != 0).all()
