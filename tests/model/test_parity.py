"""Same numbers as the released model, and as this project had before."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

from odvae.model import VIDEO_VARIANTS
from tests.model.formula import CLIP_SHAPES, clip, released
from tests.model.make_golden import GOLDEN, sparse_decode
from tests.model.spec_files import spec_file

ENCODE_ATOL, DECODE_ATOL = 2e-5, 5e-5  # threads and kernels make a tenth and a half of it


def check(got: Tensor, expected: Tensor, atol: float) -> None:
    assert_close(got, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("name", CLIP_SHAPES)
def test_variant_4_equals_the_released_model(name: str) -> None:
    fixture = load_file(spec_file("fixtures/variant4.safetensors"))
    vae = released(4)
    with torch.no_grad():
        posterior = vae.encode(clip(name))
        video = vae.decode(fixture[f"{name}.mean"])
    check(posterior.mean, fixture[f"{name}.mean"], ENCODE_ATOL)
    check(posterior.logvar, fixture[f"{name}.logvar"], ENCODE_ATOL)
    check(video, fixture[f"{name}.dec"], DECODE_ATOL)


@pytest.mark.parametrize("variant", VIDEO_VARIANTS)
def test_every_variant_equals_its_past_self(variant: int) -> None:
    golden = load_file(GOLDEN)
    vae = released(variant)
    with torch.no_grad():
        posterior = vae.encode(clip("x9"))
    check(posterior.mean, golden[f"variant{variant}.mean"], ENCODE_ATOL)
    check(posterior.logvar, golden[f"variant{variant}.logvar"], ENCODE_ATOL)
    decoded = sparse_decode(vae, golden[f"variant{variant}.mean"])
    check(decoded, golden[f"variant{variant}.dec"], DECODE_ATOL)
