"""A denoiser comes back from disk as it was; anything else is refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser, build
from odvae.generation.saved_denoiser import load_denoiser, save_denoiser

SHAPE = (2, 3, 4, 4)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    made = build("tiny", SHAPE, classes=3, seed=1).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # a new one predicts zeros
        for parameter in made.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def test_it_predicts_as_before(denoiser: Denoiser, tmp_path: Path) -> None:
    files = save_denoiser(denoiser, tmp_path / "kept", facts={"latents": "abc"})
    assert sorted(file.name for file in files) == ["config.json", "model.safetensors"]
    again, config = load_denoiser(tmp_path / "kept")
    assert (again.shape, again.classes, config["latents"]) == (SHAPE, 3, "abc")
    latents, times = torch.randn(2, *SHAPE), torch.tensor([3, 700])
    classes = torch.tensor([2, -1])
    with torch.no_grad():
        assert_close(
            again(latents, times, classes), denoiser(latents, times, classes), rtol=0, atol=0
        )


def test_it_replaces_what_was_there(denoiser: Denoiser, tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_denoiser(denoiser, tmp_path / "kept", facts={"latents": name})
    assert load_denoiser(tmp_path / "kept")[1]["latents"] == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_anything_else_is_refused(denoiser: Denoiser, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no denoiser of odvae"):
        load_denoiser(tmp_path)
    save_denoiser(denoiser, tmp_path / "kept", facts={})
    config = tmp_path / "kept" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"format": "odvae.denoiser.9"}))
    with pytest.raises(UserError, match="another version"):
        load_denoiser(tmp_path / "kept")
    config.write_text(json.dumps(content | {"size": "mini"}))
    with pytest.raises(UserError, match="no denoiser of odvae"):
        load_denoiser(tmp_path / "kept")
    config.write_text(json.dumps(content))
    (tmp_path / "kept" / "model.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(UserError, match="no denoiser of odvae"):
        load_denoiser(tmp_path / "kept")
