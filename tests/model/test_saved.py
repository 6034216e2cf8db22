"""Saved models: a folder that comes back bit for bit, and says what is wrong when it cannot."""

import json
import os
import subprocess
import sys
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


WRONG: dict[str, list[object]] = {
    "width": [0, True, 16.0, 10**12, 2**16 + 1, -8, "16", None, [8], 1e400],
    "blocks": [0, True, 1.0, 65, "1", None],
    "latent_channels": [0, True, 4.0, 2**12 + 1, "4", {}],
    "norm_groups": [0, True, 4.0, None, [4], "many", "channels/" + "9" * 5000],
    "variant": [4.0, True, "4", None, 9],
    "operators": ["magic", None, 1, ["paper"]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_told_with_its_field(saved: Path, name: str, value: object) -> None:
    config = json.loads((saved / CONFIG).read_text())
    (saved / CONFIG).write_text(json.dumps({**config, name: value}))
    with pytest.raises(UserError, match=rf"{CONFIG}: .*{name} must be") as error:
        load(saved)
    assert "\n" not in str(error.value) and len(str(error.value)) < len(str(saved)) + 200


@pytest.mark.parametrize("nested", ["[" * 200_000, '{"operators":' + "[" * 900 + "]" * 900 + "}"])
def test_a_config_of_lists_in_lists(saved: Path, nested: str) -> None:
    (saved / CONFIG).write_text(nested)
    with pytest.raises(UserError, match=rf"{CONFIG}: not a configuration, but lists in lists$"):
        load(saved)


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


@pytest.mark.parametrize(
    ("says", "content"),
    [
        ("an empty file", b""),
        ("damaged, or not safetensors", b"not safetensors"),
        ("a git-lfs pointer, not the weights; fetch them with git lfs pull", LFS_POINTER),
        ("a web page, not weights", b"<html>"),
    ],
)
def test_other_files_than_weights(saved: Path, says: str, content: bytes) -> None:
    (saved / WEIGHTS).write_bytes(content)
    with pytest.raises(UserError, match=f"{WEIGHTS}: {says}"):
        load(saved)


def test_damaged_weights(saved: Path) -> None:
    whole = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"{WEIGHTS}: damaged"):
        load(saved)


@pytest.mark.parametrize("failing", [0, 1])  # the rename away, the rename into place
def test_an_interruption_between_the_renames(
    saved: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    rename, calls = os.replace, iter(range(9))

    def interrupted(source: Path, target: Path) -> None:
        if next(calls) == failing:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(2).save(saved)
    assert_close(load(saved).state_dict(), small(4).state_dict(), atol=0, rtol=0)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_kill_between_the_renames_leaves_both_beside(saved: Path) -> None:
    """As the description of ``replacing`` has it."""
    code = (
        "import os, sys; from pathlib import Path; from odvae.model.atomic import replacing\n"
        "rename = os.replace\n"
        "def killed(source, target):\n"
        "    if Path(source).name != 'vae' or Path(target).name == 'vae': os._exit(9)\n"
        "    rename(source, target)\n"
        "os.replace = killed\n"
        "with replacing(Path(sys.argv[1])) as part:\n"
        "    part.mkdir(); (part / 'new').touch()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(saved)], check=False, timeout=60)
    assert ran.returncode == 9 and not saved.exists()
    (scraps,) = saved.parent.iterdir()
    assert {path.name for path in (scraps / "old").iterdir()} == {CONFIG, WEIGHTS}
    assert [path.name for path in (scraps / "vae").iterdir()] == ["new"]


def test_weights_of_another_model(saved: Path) -> None:
    tensors = load_file(saved / WEIGHTS)
    del tensors["quant_conv.bias"]
    tensors["stray.bias"] = torch.zeros(1)
    save_file(tensors, saved / WEIGHTS)
    with pytest.raises(UserError, match=r"vae does not fit .*quant_conv\.bias.*stray\.bias"):
        load(saved)
