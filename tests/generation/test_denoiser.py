"""Latte through diffusers: its size, its start, what each input does. Latents (B, c, t, h, w)."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.denoiser import SIZES, Denoiser, build, checkpoint_activations
from odvae.generation.latents import LatentShape
from tests.generation.made_latents import SHAPE, awake

TIMESTEPS = torch.tensor([10, 700])


def _latents(shape: LatentShape = SHAPE, count: int = 2) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(2))


def test_the_seed_alone_decides_on_the_weights() -> None:
    torch.manual_seed(3)
    first = build("tiny", SHAPE, classes=None, seed=0)
    torch.manual_seed(4)
    state = torch.get_rng_state()
    second = build("tiny", SHAPE, classes=None, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert_close(dict(first.named_parameters()), dict(second.named_parameters()), atol=0, rtol=0)
    other = build("tiny", SHAPE, classes=None, seed=1)
    assert not torch.equal(first.tokens.weight, other.tokens.weight)


@pytest.mark.parametrize("shape", [SHAPE, (4, 1, 8, 8), (2, 5, 5, 7), (16, 2, 4, 6)])
def test_a_new_one_predicts_zeros(shape: LatentShape) -> None:
    predicted = build("tiny", shape, classes=None, seed=0)(_latents(shape), TIMESTEPS, None)
    assert_close(predicted, torch.zeros(2, *shape), atol=0, rtol=0)


def test_layers_are_counted_as_in_the_paper() -> None:
    """XL/2: 28 blocks. Spatial ones have a cross-attention more than temporal ones."""
    with torch.device("meta"):
        denoiser = Denoiser(SIZES["XL/2"], (4, 21, 32, 32), classes=None)
    spatial = list(denoiser.transformer.transformer_blocks)
    temporal = list(denoiser.transformer.temporal_transformer_blocks)
    assert len(spatial) == len(temporal) == 14
    attention, forward = 4 * 1152**2 + 4 * 1152, 8 * 1152**2 + 5 * 1152
    of_temporal = attention + forward + 6 * 1152  # and its table of shifts and scales
    assert _weights(temporal[0]) == of_temporal
    assert _weights(spatial[0]) == of_temporal + attention


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", list(SIZES))
def test_widths_suit_their_positions(name: str) -> None:
    row = SIZES[name]
    assert row.layers % 2 == 0
    assert row.hidden % 4 == 0  # sine and cosine, of rows and of columns


@torch.no_grad()
def test_clips_do_not_see_each_other() -> None:
    denoiser, latents = awake(classes=3), _latents()
    classes = torch.tensor([2, -1])
    together = denoiser(latents, TIMESTEPS, classes)
    for number in range(2):
        row = slice(number, number + 1)
        alone = denoiser(latents[row], TIMESTEPS[row], classes[row])
        assert_close(together[row], alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_frames_and_places_see_each_other() -> None:
    denoiser, latents = awake(), _latents(count=1)
    moved = latents.clone()
    moved[:, :, 2, 7, 7] += 1
    changed = denoiser(moved, TIMESTEPS[:1], None) - denoiser(latents, TIMESTEPS[:1], None)
    assert (changed.abs().amax(dim=1) > 0).all()  # at every place of every frame


@torch.no_grad()
def test_it_knows_time_frame_and_place() -> None:
    """Of a constant, each token is predicted differently, and so is each timestep."""
    shape = (2, 3, 4, 6)
    denoiser = awake(shape)
    predicted = denoiser(torch.ones(2, *shape), TIMESTEPS, None)
    assert not torch.allclose(predicted[0], predicted[1], atol=1e-3)
    tokens = predicted[0, 0, :, ::2, ::2].flatten()
    assert len(tokens.unique()) == 3 * 2 * 3


@torch.no_grad()
def test_a_class_makes_a_difference_and_none_is_one_more() -> None:
    denoiser, latents = awake(classes=3), _latents(count=1)
    rows = [denoiser(latents, TIMESTEPS[:1], torch.tensor([k])) for k in (0, 1, 2, -1)]
    for number, row in enumerate(rows):
        assert all(not torch.allclose(row, other, atol=1e-3) for other in rows[:number])
    assert_close(denoiser(latents, TIMESTEPS[:1], None), rows[-1], atol=0, rtol=0)


@torch.no_grad()
def test_odd_sides_are_those_with_the_last_row_and_column_twice() -> None:
    odd, even = awake((2, 3, 5, 7)), awake((2, 3, 6, 8))
    latents = _latents((2, 3, 5, 7))
    taller = torch.cat([latents, latents[..., -1:, :]], dim=-2)
    larger = torch.cat([taller, taller[..., -1:]], dim=-1)
    expected = even(larger, TIMESTEPS, None)[..., :5, :7]
    assert_close(odd(latents, TIMESTEPS, None), expected, atol=0, rtol=0)


def test_checkpointing_changes_no_gradient() -> None:
    plain, thrifty = awake(), awake()
    average = copy.deepcopy(thrifty)
    checkpoint_activations(thrifty)
    for denoiser in (plain, thrifty):
        denoiser(_latents(), TIMESTEPS, None).square().mean().backward()
    pairs = zip(plain.parameters(), thrifty.parameters(), strict=True)
    for expected, got in pairs:
        assert_close(got.grad, expected.grad, atol=0, rtol=0)
    assert not average.transformer.gradient_checkpointing


def test_other_shapes_and_sizes_are_refused() -> None:
    denoiser = build("tiny", SHAPE, classes=None, seed=0)
    with pytest.raises(ValueError, match=r"\(B, 4, 3, 8, 8\), got \(2, 4, 5, 8, 8\)"):
        denoiser(_latents((4, 5, 8, 8)), TIMESTEPS, None)
    with pytest.raises(UserError, match=r"^denoiser\.size must be one of tiny, .*, got huge$"):
        build("huge", SHAPE, classes=None, seed=0)
    with pytest.raises(UserError, match=r"^denoiser\.classes must be null or at least 1, got 0$"):
        build("tiny", SHAPE, classes=0, seed=0)
    with pytest.raises(UserError, match=r"^denoiser\.shape must be"):
        build("tiny", (4, 0, 8, 8), classes=None, seed=0)
