"""A model on disk: a folder with config.json and model.safetensors, written all or nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from odvae.errors import UserError
from odvae.model.architecture import Architecture
from odvae.model.atomic import replacing
from odvae.model.variants import Operators

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class StoredVAE:
    """A model as a file holds it: tensors in our names and shapes, of the file's types."""

    architecture: Architecture
    tensors: Mapping[str, Tensor]


def write_folder(path: Path, architecture: Architecture, tensors: Mapping[str, Tensor]) -> None:
    """Write the folder beside its place, then move it there: a reader never sees half of it.

    Raises:
        UserError: something other than a model is there already; it is left alone.
    """
    _check_replaceable(path)
    with replacing(path) as part:
        part.mkdir()
        config = {k: v.value if isinstance(v, Enum) else v for k, v in asdict(architecture).items()}
        (part / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
        write_safetensors(part / WEIGHTS_FILE, tensors)


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, each with a memory of its own, as they are."""
    metadata = {"format": "pt"}  # diffusers asks for it
    save_file({name: own_copy(tensor) for name, tensor in tensors.items()}, path, metadata=metadata)
    path.chmod(0o644)  # safetensors makes it private


def own_copy(tensor: Tensor) -> Tensor:
    """The same values on the CPU in a memory of their own: no view of a larger tensor."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _check_replaceable(path: Path) -> None:
    if path.is_dir():
        others = sorted({file.name for file in path.iterdir()} - {CONFIG_FILE, WEIGHTS_FILE})
        if others:
            raise UserError(f"{path}: not overwritten, it holds other files ({others[0]}, ...)")
    elif path.exists():
        raise UserError(f"{path}: not overwritten, it is a file; a model is saved as a folder")


def read_folder(path: Path) -> StoredVAE:
    """Read what ``write_folder`` wrote. Raises UserError for a missing or damaged file."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (path / name).is_file():
            raise UserError(f"{path}: no {name}; expected a folder saved by odvae")
    try:
        fields = json.loads((path / CONFIG_FILE).read_text())
        fields["operators"] = Operators(fields["operators"])
        architecture = Architecture(**fields)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise UserError(f"{path / CONFIG_FILE}: not a configuration of odvae ({error})") from error
    try:
        tensors: dict[str, Tensor] = load_file(path / WEIGHTS_FILE)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path / WEIGHTS_FILE}: damaged or not safetensors ({error})") from error
    return StoredVAE(architecture, tensors)
