"""The description as a whole: agrees with the model, fits the page, becomes JSON."""

import json
import re
from functools import cache

import pytest
import torch

from odvae.anatomy import Clip, ModelDescription, describe, summarise
from odvae.errors import UserError
from odvae.model import IMAGE, Architecture, Operators
from tests.inference.fake_vae import FrameNumberVAE
from tests.model.formula import small


@cache
def described(variant: int, operators: Operators = Operators.paper) -> ModelDescription:
    small = Architecture(
        variant=variant, width=8, blocks=1, norm_groups="channels/4", operators=operators
    )
    return describe(small, Clip(9, 32, 64))


@cache
def paper() -> ModelDescription:
    return describe(Architecture(), Clip(97, 512, 512), train_batch=8)


@pytest.mark.parametrize("variant", [IMAGE, 4])
@torch.no_grad()
def test_sizes_are_those_of_the_model(variant: int) -> None:
    model = described(variant)
    latents = model.latents
    mean = small(variant).encode(torch.zeros(1, 3, 9, 32, 64)).mean
    assert mean.shape[2:] == (latents.frames, latents.height, latents.width)
    last = model.decoder.parts[-1]
    assert (last.channels, last.frames, last.height, last.width) == (3, 9, 32, 64)
    assert model.summary.parameters == model.encoder.parameters + model.decoder.parameters


def test_text_fits_the_page() -> None:
    text = paper().text()
    assert max(map(len, text.splitlines())) <= 100
    for part in ("conv_in", "down.0", "mid", "up.3", "VCPR", "training step, batch 8"):
        assert part in text


def test_text_says_what_is_causal() -> None:
    text, strict = paper().text(), described(4, Operators.strict).text()
    assert "A latent sees up to 95 frames: its own 4, 91 before, none ahead." in text
    assert "A frame is made from up to 39 latents: its own, 37 before, 1 ahead." in text
    assert "whole clip" in text
    assert "strictly causal" in strict
    assert "1 ahead" not in strict
    trilinear = described(4, Operators.strict_trilinear).text()
    assert re.search(r"made from up to \d+ latents: its own, \d+ before, 1 ahead\.", trilinear)
    assert "but for the look-ahead, causal" in trilinear
    assert "sees its own frame only" in described(IMAGE).text()


def test_pictures_show_frames_and_latents() -> None:
    text = described(4).text()
    assert re.search(r"latent 0 +#\.{8}  0\n +latent 1 +\+####\.{4}  0-4\n", text)
    assert re.search(r"frame 1 +\+#\.  0-1\n +frames 2-4 +\+#>  0-2\n", text)


def test_seen_frames_end_with_the_clip() -> None:
    for coder, inputs in ((described(4).encoder, 9), (described(4).decoder, 3)):
        assert coder.sees[0].outputs.first == 0
        assert max(sees.seen.last for sees in coder.sees) == inputs - 1
        covered = [t for s in coder.sees for t in range(s.outputs.first, s.outputs.last + 1)]
        assert covered == list(range(coder.parts[-1].frames))


def test_json_has_every_number() -> None:
    model = described(4, Operators.strict)
    fields = json.loads(model.to_json())
    assert fields["architecture"]["operators"] == "strict"
    assert fields["summary"]["vcpr"] == 256
    assert fields["encoder"]["reach"]["rate"] == 4.0
    assert [part["flops"] for part in fields["decoder"]["parts"]] == [
        part.flops for part in model.decoder.parts
    ]
    assert fields["memory"][1]["precision"] == "bf16"


def test_clips_that_would_be_cut_are_refused() -> None:
    with pytest.raises(UserError, match="clip must have 1, 5, 9"):
        describe(Architecture(), Clip(10, 64, 64))


def test_other_vaes_tell_their_totals() -> None:
    vae = FrameNumberVAE(4)
    summary = summarise(vae)
    text = summary.text()
    for told in ("FrameNumberVAE", "Compression 4x1x1 (VCPR 4)", "1, 5, 9, ... frames"):
        assert told in text
    assert json.loads(summary.to_json())["latent_channels"] == 1
