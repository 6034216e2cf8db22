"""A denoiser on disk: a folder with ``model.safetensors`` and ``config.json``."""

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser, build
from odvae.model.atomic import replacing

_WEIGHTS, _CONFIG = "model.safetensors", "config.json"
_FORMAT = "odvae.denoiser.1"


def save_denoiser(denoiser: Denoiser, folder: Path, *, facts: Mapping[str, Any]) -> list[Path]:
    """Write a denoiser; returns the files.

    Args:
        denoiser: its average, as a rule.
        folder: made, or replaced.
        facts: what a reader needs besides: its diffusion, the scale of its latents.
    """
    config = {
        "format": _FORMAT,
        "size": denoiser.size.name,
        "shape": denoiser.shape,
        "classes": denoiser.classes,
        **facts,
    }
    with replacing(folder) as new:
        new.mkdir()
        weights = {name: x.contiguous().cpu() for name, x in denoiser.state_dict().items()}
        save_file(weights, new / _WEIGHTS, metadata={"format": _FORMAT})
        (new / _CONFIG).write_text(json.dumps(config, indent=1, default=_plain))
    return [folder / _WEIGHTS, folder / _CONFIG]


def load_denoiser(folder: Path) -> tuple[Denoiser, dict[str, Any]]:
    """A denoiser on the CPU, and all that its ``config.json`` says.

    Raises:
        UserError: there is none, or it is of another version.
    """
    try:
        config = json.loads((folder / _CONFIG).read_text())
        if config["format"] != _FORMAT:
            raise UserError(f"{folder}: a denoiser of another version of odvae")
        channels, frames, height, width = config["shape"]
        shape = (channels, frames, height, width)
        denoiser = build(config["size"], shape, classes=config["classes"], seed=0)
        denoiser.load_state_dict(load_file(folder / _WEIGHTS))
    except UserError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: no denoiser of odvae: {error}") from error
    return denoiser.eval(), config


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} is not for JSON")
