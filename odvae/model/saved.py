"""A model on disk: a folder with config.json and model.safetensors, written all or nothing."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from odvae.errors import UserError
from odvae.model.architecture import Architecture
from odvae.model.variants import Operators

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def write_folder(path: Path, architecture: Architecture, tensors: Mapping[str, Tensor]) -> None:
    """Write the folder beside its place, then move it there: a reader never sees half of it.

    Raises:
        UserError: something other than a model is there already; it is left alone.
    """
    path = path.absolute()
    _check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.with_name(f".{path.name}.old")
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        part.chmod(0o755)  # mkdtemp's folders are private
        config = {k: v.value if isinstance(v, Enum) else v for k, v in asdict(architecture).items()}
        (part / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, part / WEIGHTS_FILE, metadata={"format": "pt"})
        if path.exists():
            os.replace(path, old)
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(path: Path) -> None:
    if path.is_dir():
        others = sorted({file.name for file in path.iterdir()} - {CONFIG_FILE, WEIGHTS_FILE})
        if others:
            raise UserError(f"{path}: not overwritten, it holds other files ({others[0]}, ...)")
    elif path.exists():
        raise UserError(f"{path}: not overwritten, it is a file; a model is saved as a folder")


def read_folder(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Read what ``write_folder`` wrote. Raises UserError for a missing or damaged file."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (path / name).is_file():
            raise UserError(f"{path}: no {name}; expected a folder saved by odvae")
    try:
        fields = json.loads((path / CONFIG_FILE).read_text())
        fields["operators"] = Operators(fields["operators"])
        architecture = Architecture(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path / CONFIG_FILE}: not a configuration of odvae ({error})") from error
    try:
        tensors: dict[str, Tensor] = load_file(path / WEIGHTS_FILE)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path / WEIGHTS_FILE}: damaged or not safetensors ({error})") from error
    return architecture, tensors
