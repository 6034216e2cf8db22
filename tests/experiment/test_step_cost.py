"""What a training step costs, against the real loop and what can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode

from odvae.anatomy import Clip, describe
from odvae.experiment.step_cost import StepCost, StepSpec, step_cost
from odvae.model import ODVAE, Architecture
from odvae.training.config import AdversarialConfig, LossConfig
from odvae.training.loop import train
from odvae.training.video_recipe import DISCRIMINATOR, VideoLoss
from tests.training.tiny import CPU, DATA, loop, tiny_training, tiny_vae

CLIP = Clip(DATA.clip_frames, DATA.size_px, DATA.size_px)
SPEC = StepSpec(architecture=tiny_vae().architecture, clip=CLIP, clips=2, adversarial=True)
# Large enough that activations count for more than weights.
MIDDLE = StepSpec(
    architecture=Architecture(width=8, blocks=1, norm_groups="channels/8"),
    clip=Clip(9, 64, 64),
    clips=4,
)


def test_flops_are_those_of_the_loop(tmp_path: Path) -> None:
    """Three real steps: before the discriminator plays, its turn, the model's turn."""
    state, objective = tiny_training(tmp_path, adversary_from=1, steps=3)
    with FlopCounterMode(display=False) as counter:
        train(
            state,
            objective,
            loop(3),
            arithmetic=CPU,
            checkpoints=None,
            report=lambda step, numbers: None,
        )
    cost = step_cost(SPEC)
    of_loop = counter.get_total_flops()
    # On a frame this small attention is not fused, and does not compute its weights again.
    by_turn = cost.alone + cost.discriminators_turn + cost.models_turn
    assert by_turn == pytest.approx(of_loop, rel=1e-5)
    assert cost.mean_flops(3, 1) == pytest.approx(of_loop / 3, rel=1e-5)


def test_a_step_is_three_forward_passes() -> None:
    """Of each convolution one forward and two backward, but for the gradient of the pixels."""
    described = describe(MIDDLE.architecture, MIDDLE.clip)
    first = described.encoder.parts[0].flops
    forward = described.encoder.flops + described.decoder.flops
    by_hand = MIDDLE.clips * (3 * forward - first)
    # Fused attention computes its weights again: half a forward pass of a small part.
    assert step_cost(MIDDLE).alone == pytest.approx(by_hand, rel=0.01)


@pytest.mark.parametrize("start", [0, 1, 2, 5, 10, 99, None])
@pytest.mark.parametrize("steps", [1, 10, 11])
def test_the_mean_is_over_the_turns_of_the_objective(start: int | None, steps: int) -> None:
    config = LossConfig(adversarial=AdversarialConfig(start_step=start))
    loss = VideoLoss(tiny_vae(), config, None, seed=0)
    cost = StepCost(
        parameters=1, alone=1, models_turn=100, discriminators_turn=10_000, memory_bytes=1
    )
    total = 0
    for step in range(steps):
        if start is None or step < start:
            total += cost.alone
        else:
            theirs = loss.turn(step) == DISCRIMINATOR
            total += cost.discriminators_turn if theirs else cost.models_turn
    assert cost.mean_flops(steps, start) == pytest.approx(total / steps)


def test_no_steps_have_a_mean_all_the_same() -> None:
    assert step_cost(SPEC).mean_flops(0, None) == step_cost(SPEC).alone


def test_checkpointed_activations_trade_memory_for_flops() -> None:
    """A block's last convolution is not computed again: nothing needs what it gives."""
    plain, checkpointed = (
        step_cost(replace(MIDDLE, checkpoint_activations=on)) for on in (False, True)
    )
    forward = plain.alone / 3
    assert 0.3 * forward < checkpointed.alone - plain.alone < forward
    assert checkpointed.memory_bytes < 0.9 * plain.memory_bytes


def test_freed_activations_take_less_memory_and_as_many_flops() -> None:
    plain, freed = (step_cost(replace(MIDDLE, free_activations=on)) for on in (False, True))
    assert freed.alone == plain.alone  # convolutions are not computed again
    assert freed.memory_bytes < 0.95 * plain.memory_bytes


def test_parts_divide_activations_and_not_flops() -> None:
    whole, parts = step_cost(MIDDLE), step_cost(replace(MIDDLE, parts=4))
    kept = 5 * 4 * whole.parameters  # weights, EMA, Adam's two moments, gradients
    assert parts.alone == whole.alone
    assert (parts.memory_bytes - kept) / (whole.memory_bytes - kept) == pytest.approx(0.25, abs=0.1)


def test_a_process_computes_its_part_of_the_batch() -> None:
    whole, half = step_cost(MIDDLE), step_cost(replace(MIDDLE, clips=2))
    assert half.alone == whole.alone / 2
    assert half.memory_bytes < 0.7 * whole.memory_bytes


def test_bf16_halves_what_convolutions_give() -> None:
    fp32, bf16 = step_cost(MIDDLE), step_cost(replace(MIDDLE, bf16=True))
    assert bf16.alone == fp32.alone
    assert bf16.memory_bytes < fp32.memory_bytes


def test_a_frozen_encoder_costs_its_forward_pass() -> None:
    image = ODVAE.image(width=8, blocks=1, norm_groups="channels/8").architecture
    spec = replace(MIDDLE, architecture=image)
    frozen = step_cost(replace(spec, frozen_encoder=True))
    described = describe(image, spec.clip)
    forward = described.encoder.flops + 3 * described.decoder.flops
    assert frozen.alone == pytest.approx(spec.clips * forward, rel=0.01)
    assert frozen.memory_bytes < step_cost(spec).memory_bytes
