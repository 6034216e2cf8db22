"""The objective: what is noised, what is random, and that a resumed training is the whole one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser, build
from odvae.generation.diffusion import (
    DiffusionLoss,
    classes_of,
    diffusion_objective,
    initial_state,
    noise_schedule,
    noised,
)
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.noise import Use, generator
from odvae.generation.validation import LEVELS, validation_loss
from odvae.training.checkpoints import Checkpoints
from odvae.training.loop import LoopConfig, train
from odvae.training.objective import Place
from odvae.training.precision import Arithmetic, Precision
from odvae.training.state import MODEL, TrainingState
from odvae.training.team import Alone
from tests.generation.made_latents import SHAPE, KnowingDenoiser, awake, normal_latents
from tests.training.tiny import CPU, loop

CONFIG = DiffusionConfig(batch=4, learning_rate=1e-3)
CLASSES = torch.tensor([0, 1, 2, 0, 1, -1])


def _run(
    state: TrainingState, config: LoopConfig, *, arithmetic: Arithmetic = CPU, kept: Path | None
) -> dict[str, float]:
    """Train on six clips of classes; the numbers of the last step."""
    denoiser = state.model
    assert isinstance(denoiser, Denoiser)
    latents = normal_latents(6, classes=CLASSES)
    last: dict[str, float] = {}

    def report(step: int, numbers: dict[str, float]) -> None:
        last.update(numbers)

    train(
        state,
        diffusion_objective(denoiser, latents, CONFIG, seed=5),
        config,
        arithmetic=arithmetic,
        checkpoints=None if kept is None else Checkpoints(kept),
        report=report,
    )
    last.pop("data_wait_share")
    return last


def _state() -> TrainingState:
    return initial_state(build("tiny", SHAPE, classes=3, seed=0), CONFIG)


def _loss(config: DiffusionConfig = CONFIG, *, classes: int | None = None) -> DiffusionLoss:
    return DiffusionLoss(
        denoiser=awake(classes=classes),
        latents=normal_latents(6, classes=None if classes is None else CLASSES),
        config=config,
        schedule=noise_schedule(config),
        seed=5,
    )


@pytest.mark.parametrize("prediction", list(Prediction))
def test_noise_is_added_as_declared(prediction: Prediction) -> None:
    """Against the product of 1 - beta, written out."""
    config = DiffusionConfig(prediction=prediction)
    clean, noise = torch.randn(2, 2, *SHAPE, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0, 600])
    made = noised(noise_schedule(config), clean, noise, steps, prediction=prediction)
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    for row, step in enumerate(steps.tolist()):
        kept = float((1 - betas[: step + 1]).prod())
        noisy = kept**0.5 * clean[row] + (1 - kept) ** 0.5 * noise[row]
        velocity = kept**0.5 * noise[row] - (1 - kept) ** 0.5 * clean[row]
        target = noise[row] if prediction is Prediction.epsilon else velocity
        assert_close(made.noisy[row], noisy, atol=1e-5, rtol=1e-5)
        assert_close(made.target[row], target, atol=1e-5, rtol=1e-5)


def test_a_denoiser_that_knows_has_no_loss() -> None:
    for prediction in Prediction:
        config = DiffusionConfig(batch=4, prediction=prediction)
        latents = normal_latents(1, std=0.0)
        loss = DiffusionLoss(
            denoiser=KnowingDenoiser(latents.means, config),
            latents=latents,
            config=config,
            schedule=noise_schedule(config),
            seed=0,
        )
        numbers = torch.zeros(4, dtype=torch.int64)
        assert float(loss(numbers, Place(0)).terms["diffusion"]) < 1e-6


def test_a_new_denoiser_has_the_variance_of_the_noise() -> None:
    loss = DiffusionLoss(
        denoiser=build("tiny", SHAPE, classes=None, seed=0),
        latents=normal_latents(6),
        config=CONFIG,
        schedule=noise_schedule(CONFIG),
        seed=5,
    )
    sources = [generator(Use.training_clip, 5, 7, clip) for clip in range(4)]
    noise = torch.stack([torch.randn(2, *SHAPE, generator=source)[1] for source in sources])
    found = loss(torch.arange(4), Place(7)).terms["diffusion"]
    assert_close(found.detach(), noise.square().mean())


@torch.no_grad()
def test_randomness_belongs_to_the_number_of_the_clip() -> None:
    """Whoever computes it: the halves of a batch average to the whole."""
    loss, numbers = _loss(classes=3), torch.tensor([3, 1, 5, 0])
    whole = loss(numbers, Place(2))
    halves = [loss(numbers[:2], Place(2, 0)), loss(numbers[2:], Place(2, 2))]
    for part in ("terms", "health"):
        expected = getattr(whole, part)
        for name, value in expected.items():
            mean = torch.stack([getattr(half, part)[name] for half in halves]).mean()
            assert_close(mean, value, atol=1e-4, rtol=1e-4)
    other = loss(numbers, Place(3)).terms["diffusion"]
    assert not torch.isclose(other, whole.terms["diffusion"], rtol=1e-4)


@torch.no_grad()
def test_quarters_of_the_timesteps_make_up_the_loss() -> None:
    losses = _loss()(torch.arange(4), Place(0))
    quarters = torch.stack(list(losses.health.values()))
    assert list(losses.health) == [f"diffusion_quarter_{k}" for k in (1, 2, 3, 4)]
    assert (quarters > 0).all()  # a batch of four has one clip in each
    assert_close(quarters.mean(), losses.terms["diffusion"])


def test_timesteps_are_uniform() -> None:
    loss = _loss(DiffusionConfig(batch=3))
    drawn = torch.tensor(
        [loss._draw(step, clip).timestep for step in range(400) for clip in (0, 1, 2)]
    )
    assert 0 <= int(drawn.min()) < 20 and 980 < int(drawn.max()) <= 999
    shares = torch.histc(drawn.float(), bins=10, min=0, max=1000) / len(drawn)
    assert_close(shares, torch.full((10,), 0.1), atol=0.03, rtol=0)


def test_classes_are_dropped_for_guidance() -> None:
    loss = _loss(DiffusionConfig(batch=3, class_dropout=0.25))
    dropped = [loss._draw(step, clip).drops_class for step in range(400) for clip in (0, 1, 2)]
    assert abs(sum(dropped) / len(dropped) - 0.25) < 0.04
    latents, numbers = normal_latents(6, classes=CLASSES), torch.tensor([2, 5, 1])
    conditional = build("tiny", SHAPE, classes=3, seed=0)
    found = classes_of(conditional, latents, numbers, dropped=torch.tensor([False, False, True]))
    assert found is not None and found.tolist() == [2, -1, -1]
    assert classes_of(build("tiny", SHAPE, classes=None, seed=0), latents, numbers) is None


class _HalfOfTwo(Alone):
    size = 2

    def __init__(self, rank: int) -> None:
        self.rank = rank


def test_batches_are_a_function_of_seed_and_step() -> None:
    denoiser, latents = build("tiny", SHAPE, classes=None, seed=0), normal_latents(50)

    def batches(
        first: int, *, seed: int = 0, data_round: int = 0, rank: int | None = None
    ) -> Tensor:
        team = None if rank is None else _HalfOfTwo(rank)
        objective = diffusion_objective(denoiser, latents, CONFIG, seed=seed, team=team)
        return torch.stack([*objective.batches(first, 9, data_round)])

    whole = batches(0)
    assert whole.shape == (9, 4) and len(whole.unique()) > 20
    assert torch.equal(batches(6), whole[6:])
    assert torch.equal(torch.cat([batches(0, rank=0), batches(0, rank=1)], dim=1), whole)
    assert not torch.equal(batches(0, seed=1), whole)
    assert not torch.equal(batches(0, data_round=1), whole)


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    """Bit for bit: weights, average, moments of Adam, and the numbers that are reported."""
    whole = _state()
    numbers = _run(whole, loop(6), kept=None)
    _run(_state(), loop(3), kept=tmp_path)
    loaded = Checkpoints(tmp_path).newest()
    assert loaded is not None
    resumed = _state()
    resumed.restore(loaded.content)
    assert resumed.step == 3
    assert _run(resumed, loop(6), kept=tmp_path) == numbers
    assert_close(resumed.content(), whole.content(), atol=0, rtol=0)
    assert whole.model.get_parameter("transformer.proj_out.weight").abs().sum() > 0


def test_parts_of_a_batch_add_up_to_it() -> None:
    first, second = _state(), _state()
    expected = _run(first, loop(1), kept=None)
    config = LoopConfig(steps=1, log_every_steps=1, checkpoint_every_s=1e9, accumulate=2)
    assert_close(_run(second, config, kept=None), expected, atol=1e-5, rtol=1e-5)


def test_bf16_is_nearly_the_same_and_weights_stay_float32() -> None:
    plain, rough = _state(), _state()
    bf16 = Arithmetic(torch.device("cpu"), Precision.bf16)
    expected = _run(plain, loop(2), kept=None)
    found = _run(rough, loop(2), arithmetic=bf16, kept=None)
    assert_close(found["diffusion"], expected["diffusion"], atol=0.02, rtol=0.02)
    kinds = {parameter.dtype for parameter in rough.model.parameters()}
    assert kinds == {torch.float32}


def test_validation_looks_at_the_same_noise_again() -> None:
    latents = normal_latents(3)
    found = validation_loss(awake(), latents, CONFIG, arithmetic=CPU)
    assert list(found) == [1000 * (2 * level + 1) // 16 for level in range(LEVELS)]
    assert validation_loss(awake(), latents, CONFIG, arithmetic=CPU) == found
    new = build("tiny", SHAPE, classes=None, seed=0)
    nothing = validation_loss(new, latents, CONFIG, arithmetic=CPU)
    assert all(abs(value - 1) < 0.1 for value in nothing.values())
    knowing = KnowingDenoiser(normal_latents(1).means, CONFIG)
    velocity = DiffusionConfig(prediction=Prediction.v_prediction)
    of_velocity = validation_loss(new, latents, velocity, arithmetic=CPU)
    kept = noise_schedule(velocity).alphas_cumprod
    for timestep, value in of_velocity.items():
        assert abs(value / float(kept[timestep]) - 1) < 0.15
    exact = validation_loss(knowing, normal_latents(1), CONFIG, arithmetic=CPU)
    assert max(exact.values()) < 1e-6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("noise_steps", 0),
        ("batch", 0),
        ("class_dropout", 1.0),
        ("ema_decay", -0.1),
        ("learning_rate", 0.0),
        ("gradient_clip", float("inf")),
        ("beta_end", 1e-5),
    ],
)
def test_fields_out_of_range_are_named(field: str, value: float) -> None:
    config = DiffusionConfig()
    setattr(config, field, value)
    with pytest.raises(UserError, match=rf"diffusion\.{field} "):
        config.__post_init__()


def test_what_cannot_be_trained_on_is_refused() -> None:
    plain = build("tiny", SHAPE, classes=None, seed=0)
    conditional = build("tiny", SHAPE, classes=2, seed=0)
    labelled, unlabelled = normal_latents(6, classes=CLASSES), normal_latents(6)
    with pytest.raises(UserError, match="no latents"):
        diffusion_objective(plain, normal_latents(0), CONFIG, seed=0)
    with pytest.raises(UserError, match=r"diffusion\.batch must be a multiple of the 2 processes"):
        odd = DiffusionConfig(batch=3)
        diffusion_objective(plain, unlabelled, odd, seed=0, team=_HalfOfTwo(0))
    with pytest.raises(UserError, match=r"denoiser\.classes=2 .* they go up to 2$"):
        diffusion_objective(conditional, labelled, CONFIG, seed=0)
    with pytest.raises(UserError, match=r"denoiser\.classes=2 .* none of them has any$"):
        diffusion_objective(conditional, unlabelled, CONFIG, seed=0)
    assert MODEL in diffusion_objective(plain, labelled, CONFIG, seed=0).losses
