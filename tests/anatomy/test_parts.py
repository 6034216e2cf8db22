"""The rows of a description against published counts and formulas worked by hand."""

import pytest
import torch

from odvae.anatomy import Clip
from odvae.anatomy.parts import PartRow, decoder_parts, encoder_parts, rows, stages
from odvae.errors import UserError
from odvae.model import ODVAE, VARIANTS, Architecture
from tests.model.formula import small, small_clip
from tests.model.test_parameter_counts import COUNTS

QUANT, POST_QUANT = 72, 20


def table(vae: ODVAE, *, frames: int, size: int) -> dict[str, PartRow]:
    """The encoder's rows by name."""
    clip = torch.empty(1, 3, frames, size, size, device="meta")
    return {row.name: row for row in rows(encoder_parts(vae), clip)}


def without_weights(variant: int, width: int = 128) -> ODVAE:
    with torch.device("meta"):
        return ODVAE(Architecture(variant=variant, width=width))


@pytest.mark.parametrize("variant", COUNTS)
def test_parts_add_up_to_the_published_counts(variant: int) -> None:
    vae = without_weights(variant)
    whole, encoder, decoder = COUNTS[variant]
    before = sum(part.parameters for part in encoder_parts(vae))
    after = sum(part.parameters for part in decoder_parts(vae))
    assert (before - QUANT, after - POST_QUANT, before + after) == (encoder, decoder, whole)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_parts_are_the_whole_model_in_its_order(variant: int) -> None:
    vae, video = small(variant), small_clip(frames=5)
    x = video
    for stage in stages(encoder_parts(vae)):
        x = stage(x)
    assert torch.equal(x, vae.encode(video).moments)
    x = latents = vae.encode(video).mean
    for stage in stages(decoder_parts(vae)):
        x = stage(x)
    assert torch.equal(x, vae.decode(latents))


def test_kinds_follow_the_table_of_variants() -> None:
    def kinds(variant: int, side: str) -> str:
        vae = without_weights(variant, width=32)
        parts = encoder_parts(vae) if side == "encoder" else decoder_parts(vae)
        return " ".join(part.kind for part in parts)

    # conv_in, (level, down) x 3, level, mid, conv_out, quant_conv
    assert kinds(1, "encoder") == "3D 3D 2D 3D 3D 3D 3D 3D 3D 3D 1x1"
    assert kinds(2, "encoder") == "3D 3D 2D 3D 3D 2D 3D 2D 2D 2D 1x1"
    assert kinds(4, "encoder") == "2D 2D 2D 2D 3D 3D 3D 3D 3D 3D 1x1"
    assert kinds(0, "encoder") == "2D " * 10 + "1x1"
    # post_quant_conv, conv_in, mid, (level, up) x 3, level, conv_out
    assert kinds(3, "decoder") == "1x1 3D 3D 3D 3D 3D 3D 2D 2D 2D 2D"
    assert kinds(4, "decoder") == "1x1 3D 3D 3D 3D 3D 3D 3D 2D 3D 3D"


def test_sizes_and_frames_along_the_encoder() -> None:
    found = table(without_weights(4, width=32), frames=9, size=64)
    sizes = {name: (r.channels, r.frames, r.height, r.width) for name, r in found.items()}
    assert sizes["conv_in"] == (32, 9, 64, 64)
    assert sizes["down.0.downsample"] == (32, 9, 32, 32)
    assert sizes["down.1.downsample"] == (64, 5, 16, 16)
    assert sizes["quant_conv"] == (8, 3, 8, 8)
    reaches = [row.reach.frames for row in found.values()]
    assert reaches == [1, 1, 1, 1, 3, 19, 23, 55, 87, 95, 95]


def test_flops_of_a_convolution() -> None:
    found = table(without_weights(1, width=32), frames=9, size=64)
    assert found["conv_in"].flops == 2 * (27 * 3 * 32) * (9 * 64 * 64)
    assert found["down.1.downsample"].flops == 2 * (27 * 64 * 64) * (5 * 16 * 16)


def test_flops_of_attention() -> None:
    """Four 3x3x3 convolutions, four pointwise ones, and for each frame q k^T and its use on v."""
    channels, frames, positions = 128, 3, 8 * 8
    convolutions = 2 * (4 * 27 + 4) * channels**2 * frames * positions
    attention = 2 * 2 * frames * positions**2 * channels
    found = table(without_weights(4, width=32), frames=9, size=64)
    assert found["mid"].flops == convolutions + attention


def test_clips() -> None:
    clip = Clip.parse("33x256x128")
    assert clip == Clip(33, 256, 128)
    assert str(clip) == "33x256x128"
    for text in ("33", "33x256", "0x8x8", "33x256x256x3", "-1x8x8", "x8x8", ""):
        with pytest.raises(UserError, match="clip must be FRAMESxHEIGHTxWIDTH"):
            Clip.parse(text)
    with pytest.raises(UserError, match=r"clip must have 1, 5, 9, \.\.\. frames, got 10x64x64"):
        Clip(10, 64, 64).check(small(4))
    with pytest.raises(UserError, match="multiples of 8 and 8, got 9x64x60"):
        Clip(9, 64, 60).check(small(4))
