"""The accelerated VAE against the plain model. Clips are (B, C, T, H, W)."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae import accelerate
from odvae.acceleration import AcceleratedVAE
from odvae.anatomy.memory import LiveTensors
from odvae.errors import UserError
from odvae.model import IMAGE, ODVAE, TEMPORAL_DECODER, VIDEO_VARIANTS, Operators, StreamingVAE
from tests.model.formula import small, small_clip
from tests.sampling import first

LARGEST_ERROR = 5e-5  # fp32, weights of ordinary scale
LENGTHS = [1, 5, 9, 17, 33]
STREAMING = [Operators.strict, Operators.strict_trilinear]
CASES = [
    *((variant, operators) for variant in VIDEO_VARIANTS for operators in Operators),
    (IMAGE, Operators.strict),
    (TEMPORAL_DECODER, Operators.paper),
    (TEMPORAL_DECODER, Operators.strict),
]


@cache
def _pair(variant: int, operators: Operators) -> tuple[ODVAE, AcceleratedVAE]:
    torch.manual_seed(0)
    if variant == IMAGE:
        vae = ODVAE.image(width=32, blocks=1)
    else:
        vae = ODVAE.variant(variant, width=32, blocks=1, operators=operators)
    vae.eval().requires_grad_(False)
    return vae, accelerate(vae)


def _clip(frames: int, *, height: int = 24, width: int = 40, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(frames)
    return 2 * torch.rand(batch, 3, frames, height, width, generator=generator) - 1


def _check(variant: int, operators: Operators, clip: Tensor) -> None:
    plain, fast = _pair(variant, operators)
    posterior = plain.encode(clip)
    assert_close(fast.encode(clip).moments, posterior.moments, rtol=0, atol=LARGEST_ERROR)
    latents = posterior.mode()
    assert_close(fast.decode(latents), plain.decode(latents), rtol=0, atol=LARGEST_ERROR)


@pytest.mark.parametrize(("variant", "operators"), first(9, reversed(CASES)))
def test_it_is_the_plain_model(variant: int, operators: Operators) -> None:
    _check(variant, operators, _clip(5))


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_at_every_length(variant: int, frames: int) -> None:
    _check(variant, Operators.paper, _clip(frames, height=8, width=16))


@pytest.mark.parametrize("operators", Operators)
def test_of_a_batch(operators: Operators) -> None:
    _check(4, operators, _clip(5, height=8, width=16, batch=3))


@pytest.mark.parametrize("variant", [IMAGE, *VIDEO_VARIANTS])
def test_in_float64_only_the_algebra_differs(variant: int) -> None:
    plain = small(variant)
    double = ODVAE(plain.architecture).double().requires_grad_(False)
    double.load_state_dict(plain.state_dict())
    fast = accelerate(double)
    clip = small_clip(frames=9).double()
    assert_close(fast.encode(clip).moments, double.encode(clip).moments, rtol=0, atol=1e-9)
    assert_close(fast(clip), double(clip), rtol=0, atol=1e-9)


@pytest.mark.parametrize("pieces", first(1, [[0, 2, 3, 4], [1] * 9, [8, 1, 0]]))
@pytest.mark.parametrize("operators", STREAMING)
@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_streamed_it_is_the_whole(variant: int, operators: Operators, pieces: list[int]) -> None:
    _, fast = _pair(variant, operators)
    clip = _clip(9, height=8, width=16, batch=2)
    moments, state = [], None
    for i, part in enumerate(clip.split(pieces, dim=2)):
        made, state = fast.encode_piece(part, state, last=i == len(pieces) - 1)
        moments.append(made)
    whole = fast.encode(clip)
    assert_close(torch.cat(moments, dim=2), whole.moments, rtol=0, atol=1e-5)
    latents, pixels, state = whole.mode(), [], None
    for i in range(latents.shape[2]):
        made, state = fast.decode_piece(
            latents[:, :, i : i + 1], state, last=i == latents.shape[2] - 1
        )
        pixels.append(made)
    assert_close(torch.cat(pixels, dim=2), fast.decode(latents), rtol=0, atol=LARGEST_ERROR)


def test_norms_over_the_clip_are_not_streamed() -> None:
    plain, fast = _pair(4, Operators.paper)
    assert isinstance(fast, StreamingVAE) and fast.whole_only == plain.whole_only
    with pytest.raises(UserError, match="whole clip"):
        fast.encode_piece(_clip(5), None, last=True)
    with pytest.raises(UserError, match="whole clip"):
        fast.decode_piece(torch.zeros(1, 4, 2, 3, 5), None, last=True)
    assert _pair(4, Operators.strict)[1].whole_only is None


@pytest.mark.parametrize("frames", [1, 5])
def test_inputs_and_the_model_stay_as_they_are(frames: int) -> None:
    plain, fast = _pair(4, Operators.paper)
    weights = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    clip = _clip(frames).contiguous(memory_format=torch.channels_last_3d)
    latents = plain.encode(clip).mode()
    before = clip.clone(), latents.clone()
    fast.encode(clip)
    fast.decode(latents)
    assert torch.equal(clip, before[0]) and torch.equal(latents, before[1])
    assert all(torch.equal(weights[name], now) for name, now in plain.state_dict().items())


def test_it_tells_what_the_model_tells() -> None:
    for plain, fast in (_pair(4, Operators.paper), _pair(IMAGE, Operators.strict)):
        assert fast.architecture == plain.architecture
        assert fast.compression == plain.compression
        assert fast.clip_lengths == plain.clip_lengths
        assert fast.latent_channels == plain.latent_channels
        assert fast.latent_scaling == plain.latent_scaling
        assert fast.input_range == plain.input_range


def test_wrong_sizes_are_refused() -> None:
    _, fast = _pair(4, Operators.paper)
    with pytest.raises(ValueError, match="T=4"):
        fast.encode(_clip(4))
    with pytest.raises(ValueError, match="12x40"):
        fast.encode(_clip(5, height=12))
    with pytest.raises(ValueError, match=r"must be \(B, 3"):
        fast.encode(_clip(5)[0])
    with pytest.raises(ValueError, match="latents must be"):
        fast.decode(torch.zeros(1, 3, 2, 3, 5))


def test_bfloat16_is_as_near_as_the_plain_model_in_bfloat16() -> None:
    plain = small(4)
    clip = small_clip(frames=9)
    latents = plain.encode(clip).mode()
    rough = ODVAE(plain.architecture).bfloat16().requires_grad_(False)
    rough.load_state_dict(plain.state_dict())
    expected = plain.decode(latents)
    error = (rough.decode(latents.bfloat16()) - expected).square().mean().sqrt()
    made = accelerate(plain, dtype=torch.bfloat16).decode(latents)
    assert made.dtype == latents.dtype
    assert (made - expected).square().mean().sqrt() < 1.3 * error


def test_a_dtype_that_cannot_compute_is_refused() -> None:
    with pytest.raises(UserError, match="dtype must be one of"):
        accelerate(small(4), dtype=torch.int32)


@pytest.mark.slow
def test_it_needs_less_memory() -> None:
    plain, fast = _pair(4, Operators.paper)
    clip = _clip(9, height=128, width=128)
    latents = plain.encode(clip).mode()

    def peak(vae: ODVAE | AcceleratedVAE, act: Callable[[Tensor], object], x: Tensor) -> int:
        own = [*vae.parameters(), *vae.buffers()]
        with torch.no_grad(), LiveTensors(free_of_charge=own) as live:
            act(x)
        peak_bytes: int = live.peak_bytes
        return peak_bytes

    assert peak(fast, fast.encode, clip) <= 0.65 * peak(plain, plain.encode, clip)
    assert peak(fast, fast.decode, latents) <= 0.75 * peak(plain, plain.decode, latents)
