"""The terms of the objective, against values computed by hand. Tensors are (B, C, T, H, W)."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.metrics import Lpips
from odvae.model import Posterior
from odvae.training import losses, video_recipe
from odvae.training.config import AdversarialConfig, LossConfig, TrainConfig, TrainerConfig
from odvae.training.objective import Place
from odvae.training.video_recipe import VideoLoss
from tests.model.formula import small_clip
from tests.training.tiny import tiny_vae

SHAPE = (2, 3, 5, 4, 6)  # 72 values a frame


def test_reconstruction_sums_over_pixels_and_averages_over_frames() -> None:
    error = torch.full(SHAPE, -0.5)
    assert losses.reconstruction(error).item() == 36
    error[1, :, 3] = 2.0  # one of ten frames: 144 instead of 36
    assert_close(losses.reconstruction(error).item(), (9 * 36 + 144) / 10)


def test_perceptual_counts_once_for_every_value_of_a_frame() -> None:
    distance = torch.tensor([[0.1] * 5, [0.3] * 5])
    assert_close(losses.perceptual(distance, like=torch.zeros(SHAPE)).item(), 0.2 * 72)


def test_divergence_sums_over_the_clip_and_averages_over_clips() -> None:
    mean, variance = 0.5, 0.25
    moments = torch.zeros(2, 8, 2, 3, 3)
    assert losses.divergence(Posterior(moments)).item() == 0  # the unit normal itself
    moments[0, :4], moments[0, 4:] = mean, math.log(variance)
    one_value = 0.5 * (mean**2 + variance - 1 - math.log(variance))
    assert_close(losses.divergence(Posterior(moments)).item(), one_value * 4 * 2 * 3 * 3 / 2)


def test_hinge_by_hand() -> None:
    """Reals beyond 1 and fakes below -1 are free; each side counts half."""
    reals, fakes = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.0])
    assert_close(losses.discriminator_hinge(reals, fakes).item(), 0.5 * (2.5 / 3 + 3.0 / 3))
    assert_close(losses.generator_adversarial(fakes).item(), 2 / 3)


def test_the_adaptive_weight_by_hand() -> None:
    three_four, one = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0])
    assert_close(losses.adaptive_weight(three_four, one).item(), 5 / (1 + 1e-4))
    assert losses.adaptive_weight(three_four, 0 * one).item() == 1e4  # clamped
    assert losses.adaptive_weight(0 * one, one).item() == 0


def test_the_adversarial_term_is_as_strong_as_the_others_at_the_last_kernel() -> None:
    """With weight 1 the two gradients have one norm there: that is what the weight is for."""
    vae, video = tiny_vae(), small_clip(frames=5, batch=2)
    config = LossConfig(kl_weight=0, adversarial=AdversarialConfig(start_step=0, weight=1.0))
    loss = VideoLoss(vae, config, None, 0, video_recipe.discriminator(config, seed=0))
    terms = loss(video, Place(0)).terms
    kernel = vae.decoder.conv_out.get_parameter("weight")
    norms = [
        torch.autograd.grad(terms[name], kernel, retain_graph=True)[0].norm()
        for name in ("reconstruction", "adversarial")
    ]
    assert_close(norms[0], norms[1], rtol=2e-3, atol=0)


def test_the_discriminator_learns_on_detached_reconstructions() -> None:
    vae, video = tiny_vae(), small_clip(frames=5, batch=2)
    config = LossConfig(adversarial=AdversarialConfig(start_step=4))
    against = video_recipe.discriminator(config, seed=0)
    loss = VideoLoss(vae, config, None, 0, against)
    assert [loss.turn(step) for step in range(3, 8)] == [
        "model",
        "model",
        "discriminator",
        "model",
        "discriminator",
    ]
    loss.discriminate(video, Place(5)).terms["discriminator"].backward()
    assert against is not None
    assert all(p.grad is not None for p in against.parameters())
    assert all(p.grad is None for p in vae.parameters())


class _HalfDistance(Lpips):
    """As LPIPS is called, without its weights."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        assert a.shape == b.shape
        return torch.full((a.shape[0], a.shape[2]), 0.5)


def _noise(shape: torch.Size, *entropy: int) -> Tensor:
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_objective_is_the_weighted_sum() -> None:
    vae, video = tiny_vae(), small_clip(frames=5, batch=2)
    config = LossConfig(kl_weight=0.25, lpips_weight=3.0)
    with torch.no_grad():
        terms = VideoLoss(vae, config, _HalfDistance(), seed=1)(video, Place(7)).terms
        posterior = vae.encode(video)
        noise = torch.stack([_noise(posterior.mean[0].shape, 1, 7, clip) for clip in (0, 1)])
        reconstruction = vae.decode(posterior.mean + (posterior.logvar / 2).exp() * noise)
    assert_close(terms["reconstruction"], (reconstruction - video).abs().sum() / 10)
    assert_close(terms["kl"], 0.25 * posterior.kl().mean())
    assert_close(terms["lpips"].item(), 3.0 * 0.5 * 3 * 16 * 16)


def test_a_clip_has_the_same_noise_wherever_it_is_computed() -> None:
    vae, video = tiny_vae(), small_clip(frames=5, batch=2)
    loss = VideoLoss(vae, LossConfig(), None, 0)
    with torch.no_grad():
        whole = loss(video, Place(3)).terms["reconstruction"]
        halves = [loss(video[i : i + 1], Place(3, i)).terms["reconstruction"] for i in (0, 1)]
        assert_close(whole, (halves[0] + halves[1]) / 2)
        assert loss(video[:1], Place(3, 1)).terms["reconstruction"] != halves[0]


def test_noise_depends_on_seed_and_step_only() -> None:
    vae, video = tiny_vae(), small_clip(frames=5)

    def value(seed: int, step: int) -> float:
        with torch.no_grad():
            losses = VideoLoss(vae, LossConfig(), None, seed)(video, Place(step))
            return losses.terms["reconstruction"].item()

    terms = VideoLoss(vae, LossConfig(), None, 0)(video, Place(0)).terms
    assert set(terms) == {"reconstruction", "kl"}
    assert value(0, 3) == value(0, 3)
    assert len({value(0, 3), value(0, 4), value(1, 3)}) == 3


@pytest.mark.parametrize("field", ["kl_weight", "lpips_weight"])
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_weights_are_not_negative(field: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"^losses\.{field} must be at least 0, got"):
        LossConfig(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"batch": 0},
        {"curve_points": 0},
        {"log_every_steps": 0},
        {"checkpoint_every_s": -1.0},
        {"learning_rate": math.inf},
        {"learning_rate_random": 0.0},
        {"ema_decay": 1.0},
    ],
)
def test_training_fields_are_checked(wrong: dict[str, int]) -> None:
    ((field, value),) = wrong.items()
    with pytest.raises(UserError, match=rf"^train\.{field} must .*, got {value}$"):
        TrainConfig(**wrong)


@pytest.mark.parametrize(
    ("steps", "points", "expected"),
    [(100, 4, [25, 50, 75, 100]), (4, 4, [1, 2, 3, 4]), (2, 4, [0, 1, 2]), (0, 4, [0])],
)
def test_the_curve_is_looked_at_evenly(steps: int, points: int, expected: list[int]) -> None:
    assert TrainConfig(steps=steps, curve_points=points).curve_steps == expected


@pytest.mark.parametrize("field", ["devices", "nodes", "accumulate"])
def test_trainer_fields_are_checked(field: str) -> None:
    with pytest.raises(UserError, match=rf"^trainer\.{field} must be at least 1, got 0$"):
        TrainerConfig(**{field: 0})  # type: ignore[arg-type]
