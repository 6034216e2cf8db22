"""The form that a GPU gets, against the plain model. Clips are (B, C, T, H, W)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.testing import assert_close

from odvae import accelerate
from odvae.acceleration import AcceleratedVAE
from odvae.acceleration.clipwise import ClipwiseCoder
from odvae.acceleration.compiled import CompiledCoder
from odvae.model import IMAGE, ODVAE, VIDEO_VARIANTS, Operators
from tests.model.formula import small, small_clip

LARGEST_ERROR = 5e-5  # fp32, weights of ordinary scale
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Graphs(list[str]):
    """A compiler's backend that runs what was traced, as it is, and notes it."""

    def __call__(self, graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        self.append(str(graph.graph))
        return graph.forward


def _plain(variant: int, operators: Operators) -> ODVAE:
    torch.manual_seed(0)
    if variant == IMAGE:
        return ODVAE.image(width=8, blocks=1, norm_groups=4).eval()
    return ODVAE.variant(variant, width=8, blocks=1, norm_groups=4, operators=operators).eval()


def _compiled(vae: ODVAE, backend: Graphs | str) -> AcceleratedVAE:
    """What it becomes on a GPU, here on the CPU."""
    coder = partial(CompiledCoder, backend=backend)
    return AcceleratedVAE(vae, dtype=torch.float32, coder=coder)


def _clip(frames: int, *, batch: int = 2, size_px: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(frames)
    return 2 * torch.rand(batch, 3, frames, size_px, size_px, generator=generator) - 1


def _check(plain: ODVAE, fast: AcceleratedVAE, clip: Tensor) -> None:
    with torch.no_grad():
        posterior = plain.encode(clip)
        decoded = plain.decode(posterior.mode())
    assert_close(fast.encode(clip).moments, posterior.moments, rtol=0, atol=LARGEST_ERROR)
    assert_close(fast.decode(posterior.mode()), decoded, rtol=0, atol=LARGEST_ERROR)


@pytest.mark.parametrize("variant", [IMAGE, *VIDEO_VARIANTS])
def test_what_is_compiled_is_the_plain_model(variant: int) -> None:
    plain = _plain(variant, Operators.paper)
    with torch.compiler.set_stance("force_eager"):
        _check(plain, _compiled(plain, Graphs()), _clip(5))


@pytest.mark.slow
@pytest.mark.parametrize("variant", [IMAGE, *VIDEO_VARIANTS])
def test_each_coder_is_one_graph(variant: int) -> None:
    plain, graphs = _plain(variant, Operators.paper), Graphs()
    _check(plain, _compiled(plain, graphs), _clip(5))
    assert len(graphs) == 2 and all("conv" in graph for graph in graphs)


@pytest.mark.slow
@pytest.mark.parametrize("operators", [Operators.strict, Operators.strict_trilinear])
def test_streamed_it_is_the_whole(operators: Operators) -> None:
    plain, graphs = _plain(4, operators), Graphs()
    fast, clip = _compiled(plain, graphs), _clip(13)
    for _ in range(2):
        moments, state = [], None
        for i, part in enumerate(clip.split([5, 4, 4], dim=2)):
            made, state = fast.encode_piece(part, state, last=i == 2)
            moments.append(made)
        with torch.no_grad():
            whole = plain.encode(clip).moments
        assert_close(torch.cat(moments, dim=2), whole, rtol=0, atol=1e-5)
    assert len(graphs) == 2  # of a first piece and of those after it


@pytest.mark.slow
def test_models_do_not_use_up_each_others_compilations() -> None:
    for _ in range(5):
        graphs = Graphs()
        fast = _compiled(_plain(4, Operators.strict), graphs)
        for frames in (1, 5):
            fast.encode(_clip(frames))
        assert len(graphs) == 2


def test_gradients_and_the_model_are_left_alone() -> None:
    plain = _plain(4, Operators.strict)
    weights = [parameter.clone() for parameter in plain.parameters()]
    with torch.compiler.set_stance("force_eager"):
        assert not _compiled(plain, Graphs()).encode(_clip(5)).moments.requires_grad
    assert all(map(torch.equal, weights, plain.parameters()))
    assert all(parameter.requires_grad for parameter in plain.parameters())


def test_where_the_model_lies_decides() -> None:
    fast = accelerate(small(4))
    assert isinstance(fast.encoder, ClipwiseCoder)


@pytest.mark.slow
@pytest.mark.parametrize("operators", [Operators.paper, Operators.strict])
def test_compiled_for_this_machine(operators: Operators) -> None:
    """Kernels are generated for the CPU here: another code generator, the same graph."""
    plain = _plain(4, operators)
    fast = _compiled(plain, "inductor")
    for frames in (9, 5, 1):
        _check(plain, fast, _clip(frames))


@NEEDS_GPU
@pytest.mark.parametrize("operators", Operators)
def test_bfloat16_on_a_gpu_is_as_near_as_the_plain_model_in_bfloat16(operators: Operators) -> None:
    plain = ODVAE(small(4).architecture).requires_grad_(False)
    plain.load_state_dict(small(4).state_dict())
    clip = small_clip(frames=9)
    latents = plain.encode(clip).mode()
    expected = plain.decode(latents)
    rough = plain.to("cuda", torch.bfloat16)
    error = (rough.decode(latents.cuda().bfloat16()).cpu() - expected).square().mean().sqrt()
    fast = accelerate(rough)
    assert isinstance(fast.encoder, CompiledCoder)
    made = fast.decode(latents.cuda())
    assert made.dtype == latents.dtype
    assert (made.cpu() - expected).square().mean().sqrt() < 1.3 * error
