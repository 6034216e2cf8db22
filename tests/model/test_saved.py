"""Saved models: a folder that comes back bit for bit, and says what is wrong when it cannot."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.model import IMAGE, ODVAE, VIDEO_VARIANTS, Operators, load
from tests.model.formula import small, small_clip

CONFIG, WEIGHTS = "config.json", "model.safetensors"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    small(4).save(tmp_path / "vae")
    return tmp_path / "vae"


@pytest.mark.parametrize("variant", [IMAGE, *VIDEO_VARIANTS])
@torch.no_grad()
def test_round_trip(variant: int, tmp_path: Path) -> None:
    vae = small(variant, Operators.strict)
    vae.save(tmp_path / "new" / "vae")  # parents are made
    back = load(tmp_path / "new" / "vae")
    assert back.architecture == vae.architecture
    assert not back.training
    assert_close(back.state_dict(), vae.state_dict(), atol=0, rtol=0)
    video = small_clip(frames=5)
    assert torch.equal(back(video), vae(video))


def test_every_field_is_kept(tmp_path: Path) -> None:
    vae = ODVAE.variant(
        3, width=12, blocks=1, latent_channels=5, norm_groups=3, operators=Operators.strict
    )
    vae.save(str(tmp_path / "vae"))
    assert load(str(tmp_path / "vae")).architecture == vae.architecture
    assert json.loads((tmp_path / "vae" / CONFIG).read_text())["operators"] == "strict"


def test_saving_over_an_earlier_model(saved: Path) -> None:
    small(2).save(saved)
    assert load(saved).architecture == small(2).architecture
    assert_close(load(saved).state_dict(), small(2).state_dict(), atol=0, rtol=0)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]  # no scraps beside it
    assert {path.name for path in saved.iterdir()} == {CONFIG, WEIGHTS}


def test_saving_spares_files_that_are_not_a_models(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    notes = tmp_path / "runs" / "notes.txt"
    notes.write_text("mine")
    with suppress(UserError):  # to refuse is as good as to write beside
        small(4).save(tmp_path / "runs")
    assert notes.read_text() == "mine"


def test_a_failed_save_leaves_the_earlier_model(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: object, metadata: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("odvae.model.saved.save_file", full_disk)
    with pytest.raises(OSError, match="no space left"):
        small(2).save(saved)
    assert_close(load(saved).state_dict(), small(4).state_dict(), atol=0, rtol=0)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(UserError, match=f"no {name}"):
        load(saved)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"operators": "magic"}',
        '{"operators": "paper", "depth": 3}',
        '{"operators": "paper", "variant": 9}',
        '{"operators": "paper", "width": "wide"}',
        '{"operators": "paper", "width": 8}',
    ],
)
def test_a_damaged_config(saved: Path, text: str) -> None:
    (saved / CONFIG).write_text(text)
    with pytest.raises(UserError, match=CONFIG):
        load(saved)


def test_damaged_weights(saved: Path) -> None:
    whole = (saved / WEIGHTS).read_bytes()
    for damaged in (b"", b"not safetensors", whole[: len(whole) // 2]):
        (saved / WEIGHTS).write_bytes(damaged)
        with pytest.raises(UserError, match=f"{WEIGHTS}: damaged"):
            load(saved)


def test_weights_of_another_model(saved: Path) -> None:
    tensors = load_file(saved / WEIGHTS)
    del tensors["quant_conv.bias"]
    tensors["stray.bias"] = torch.zeros(1)
    save_file(tensors, saved / WEIGHTS)
    with pytest.raises(UserError, match=r"vae does not fit .*quant_conv\.bias.*stray\.bias"):
        load(saved)
