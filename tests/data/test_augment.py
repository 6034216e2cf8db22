"""Augmentation is one affine change of colour and maybe a mirror, the same for all frames."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from odvae.data import Augment, augment_clip


@pytest.fixture
def clip() -> Tensor:
    """(3, 5, 8, 8) in [-0.5, 0.5], where no gain and bias in range clamp."""
    return torch.rand(3, 5, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5


def test_none_changes_nothing(clip: Tensor) -> None:
    assert torch.equal(augment_clip(clip, Augment.none, rng=np.random.default_rng(0)), clip)


def test_flip_mirrors_half_of_the_clips_left_to_right(clip: Tensor) -> None:
    mirrored = 0
    for seed in range(200):
        changed = augment_clip(clip, Augment.flip, rng=np.random.default_rng(seed))
        if not torch.equal(changed, clip):
            assert torch.equal(changed, clip.flip(-1))
            mirrored += 1
    assert 70 <= mirrored <= 130


def test_colour_is_a_permutation_a_gain_and_a_bias(clip: Tensor) -> None:
    orders, negatives = set(), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        changed = augment_clip(clip, Augment.colour, rng=rng).double()
        order, gain, bias = affine_change(clip.double(), changed)
        assert 0.6 <= abs(gain) <= 1.2
        assert max(abs(b) for b in bias) <= 0.3
        orders.add(order)
        negatives += gain < 0
    assert len(orders) == 6
    assert 35 <= negatives <= 85  # 30 % of 200


def affine_change(clip: Tensor, changed: Tensor) -> tuple[tuple[int, ...], float, list[float]]:
    """The (order, gain, bias) that turn ``clip``, or its mirror image, into ``changed``."""
    for before in (clip, clip.flip(-1)):
        for order in itertools.permutations(range(3)):
            moved = before[list(order)]
            centred = moved - moved.mean(dim=(1, 2, 3), keepdim=True)
            target = changed - changed.mean(dim=(1, 2, 3), keepdim=True)
            gain = float((centred * target).sum() / centred.square().sum())
            if torch.allclose(centred * gain, target, atol=1e-5):
                bias = (changed - moved * gain).mean(dim=(1, 2, 3))
                return order, gain, bias.tolist()
    raise AssertionError("not an affine change of the channels")


def test_the_result_stays_in_range_and_the_input_untouched() -> None:
    clip = torch.rand(3, 2, 4, 4) * 2 - 1
    before = clip.clone()
    for seed in range(50):
        changed = augment_clip(clip, Augment.colour, rng=np.random.default_rng(seed))
        assert changed.shape == clip.shape
        assert changed.abs().max() <= 1
    assert torch.equal(clip, before)


def test_stronger_levels_keep_the_mirror_of_weaker_ones(clip: Tensor) -> None:
    """The draws come in a fixed order, so changing the level changes nothing else of a clip."""
    for seed in range(20):
        flipped = augment_clip(clip, Augment.flip, rng=np.random.default_rng(seed))
        coloured = augment_clip(clip, Augment.colour, rng=np.random.default_rng(seed))
        _, gain, _ = affine_change(flipped.double(), coloured.double())
        assert gain != 0
