"""Less memory, the same training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from odvae.anatomy.memory import LiveTensors
from odvae.model import ODVAE
from odvae.training import thrift
from odvae.training.loop import train
from odvae.training.state import TrainingState
from tests.model.formula import small_clip
from tests.training.tiny import CPU, loop, tiny_training, tiny_vae

STEPS = 4
Saving = Callable[[ODVAE], None]
SAVINGS = [thrift.checkpoint_activations, thrift.free_activations]


def _trained(
    folder: Path,
    *,
    adversary_from: int | None = 1,
    accumulate: int = 1,
    saving: Saving | None = None,
) -> TrainingState:
    state, objective = tiny_training(folder, steps=STEPS, adversary_from=adversary_from)
    if saving is not None:
        assert isinstance(state.model, ODVAE)
        saving(state.model)
    train(
        state,
        objective,
        replace(loop(STEPS), accumulate=accumulate),
        arithmetic=CPU,
        checkpoints=None,
        report=lambda step, numbers: None,
    )
    return state


@pytest.mark.parametrize("saving", SAVINGS)
def test_less_memory_changes_no_bit(tmp_path: Path, saving: Saving) -> None:
    plain, thrifty = _trained(tmp_path), _trained(tmp_path, saving=saving)
    assert_close(plain.content(), thrifty.content(), atol=0, rtol=0)


@pytest.mark.parametrize(("saving", "part"), zip(SAVINGS, [0.45, 0.65], strict=True))
def test_memory_is_saved(saving: Saving, part: float) -> None:
    """What is alive at the worst moment of forward and backward pass."""
    peaks = []
    for thrifty in (False, True):
        with torch.device("meta"):  # shapes are enough
            vae = ODVAE.variant(4, width=16, blocks=1, norm_groups=8)
            video = torch.empty(1, 3, 9, 64, 64)
        if thrifty:
            saving(vae)
        with LiveTensors(free_of_charge=vae.parameters()) as live:
            vae(video).square().sum().backward()
        peaks.append(live.peak_bytes)
    assert peaks[1] < part * peaks[0]


def test_a_batch_in_parts_is_the_batch(tmp_path: Path) -> None:
    """Without the discriminator, whose batch statistics are those of a part."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        whole = _trained(tmp_path, adversary_from=None)
        parts = _trained(tmp_path, adversary_from=None, accumulate=2)
    finally:
        torch.set_default_dtype(before)
    assert_close(whole.content(), parts.content(), atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("frames", [1, 5])
def test_channels_last_is_the_same_function(frames: int) -> None:
    vae, video = tiny_vae(), small_clip(frames=frames)
    with torch.no_grad():
        before = vae(video)
        thrift.channels_last(vae)
        assert_close(vae(video), before, atol=1e-5, rtol=1e-5)
    kernel = vae.decoder.conv_out.get_parameter("weight")
    assert kernel.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.slow
def test_a_compiled_model_is_the_same_function() -> None:
    vae, video = tiny_vae(), small_clip(frames=5)
    with torch.no_grad():
        before = vae(video)
        vae.encoder.compile()
        vae.decoder.compile()
        assert_close(vae(video), before, atol=1e-5, rtol=1e-5)
