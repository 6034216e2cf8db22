"""Parameter counts at width 128, to the digit (paper section 3.2; variant 4's is published)."""

import pytest
import torch
from torch import nn

from odvae.model import ODVAE

COUNTS = {  # variant: whole, encoder, decoder
    1: (244_505_319, 99_714_696, 144_790_531),
    2: (114_633_447, 45_377_160, 69_256_195),
    3: (228_861_159, 94_399_368, 134_461_699),
    4: (239_189_991, 94_399_368, 144_790_531),
}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("variant", COUNTS)
def test_video_vae(variant: int) -> None:
    with torch.device("meta"):
        vae = ODVAE.variant(variant)
    counts = (parameters(vae), parameters(vae.encoder), parameters(vae.decoder))
    assert counts == COUNTS[variant]
    assert parameters(vae.quant_conv) + parameters(vae.post_quant_conv) == 92


def test_image_vae() -> None:
    with torch.device("meta"):
        vae = ODVAE.image()
    assert parameters(vae) == 83_653_863
