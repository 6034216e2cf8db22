"""python -m odvae.describe, in this process."""

import json
import re
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from odvae.describe import main
from odvae.model import ODVAE

SMALL = ("preset=smoke", "model.width=8", "model.norm_groups=channels/4")


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints when all is well."""
    GlobalHydra.instance().clear()
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def complain(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that it says of a mistake."""
    GlobalHydra.instance().clear()
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r"odvae: .+\n", err)
    return err


def test_words_are_those_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = say(capsys, *SMALL, "variant=2", "operators=strict", "--clip", "9x64x32")
    assert "Variant 2: width 8" in text
    assert "strict operators" in text
    assert "Clip 3 x 9 x 64 x 32" in text
    assert "training step, batch 2" in text


def test_clip_is_that_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Clip 3 x 5 x 32 x 32" in say(capsys, *SMALL)


def test_saved_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vae = ODVAE.variant(1, width=8, blocks=1, norm_groups="channels/4")
    vae.save(tmp_path / "vae")
    for given in (str(tmp_path / "vae"), f"checkpoint={tmp_path / 'vae'}"):
        fields = json.loads(say(capsys, given, "--json", "--clip", "5x16x16"))
        assert fields["architecture"]["variant"] == 1
        assert fields["summary"]["parameters"] == sum(p.numel() for p in vae.parameters())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["variant=7"], "variant must be one of"),
        (["widht=3"], "widht is no field of a run"),
        (["preset=huge"], "preset must be one of"),
        (["variant=1,2"], "variant=1,2: one value at a time"),
        (["variant"], "variant"),
        (["model=tats"], "model=tats: there are no weights of it"),
        (["variant=(2"], "is not of the form field=value"),
        (["model.width=five"], "model.width"),
        (["model.width=30"], "width 30"),
        (["--clip", "33"], "clip must be FRAMESxHEIGHTxWIDTH"),
        (["--clip", "10x64x64"], "clip must have 1, 5, 9, ... frames, got 10x64x64"),
        (["--clop"], "--clop"),
        (["no/such/model"], "no/such/model"),
        (["one", "checkpoint=two"], "one model at a time"),
        (["vae", "variant=2"], "variant=2: the saved model vae says this itself"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_a_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in complain(capsys, *arguments)
