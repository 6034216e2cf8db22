"""A model on disk: a folder with config.json and model.safetensors, written all or nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from odvae.errors import UserError
from odvae.model.architecture import Architecture
from odvae.model.atomic import replacing
from odvae.model.variants import Operators, member
from odvae.model.weights_file import read_safetensors

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
# Far beyond any model, so that a wrong number is told before memory is asked for.
_LARGEST = {"width": 2**16, "blocks": 64, "latent_channels": 2**12}
_DEEPEST = 16  # of lists in lists in a configuration
_SHOWN = 40  # characters of a wrong value


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
        config = json.dumps(architecture_config(architecture), indent=2)
        (part / CONFIG_FILE).write_text(config + "\n")
        write_safetensors(part / WEIGHTS_FILE, tensors)


def architecture_config(architecture: Architecture) -> dict[str, object]:
    """The fields of an architecture as config.json has them."""
    return {k: v.value if isinstance(v, Enum) else v for k, v in asdict(architecture).items()}


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
    architecture = _architecture(path / CONFIG_FILE)
    return StoredVAE(architecture, read_safetensors(path / WEIGHTS_FILE))


def read_config(file: Path) -> dict[str, object]:
    """The fields of a config.json, ours or another's. Raises UserError for a file without any."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise UserError(f"{file}: not a configuration, but lists in lists") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not JSON ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{file}: not a configuration, but a {type(config).__name__}")
    level: list[object] = [config]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise UserError(f"{file}: not a configuration, but lists in lists")
    return config


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _architecture(file: Path) -> Architecture:
    """What our own config.json says."""
    config = read_config(file)
    try:
        unknown = sorted(config.keys() - {field.name for field in fields(Architecture)})
        if unknown:
            raise UserError(f"no field of odvae: {_short(unknown[0])}")
        if "operators" not in config:
            raise UserError("operators is missing")
        return _checked(config)
    except UserError as error:
        raise UserError(f"{file}: not a configuration of odvae: {error}") from error


def _checked(config: Mapping[str, object]) -> Architecture:
    values: dict[str, Any] = dict(config)
    for name, largest in _LARGEST.items():
        value = values.get(name, 1)
        if not _is_whole(value) or not 1 <= value <= largest:
            raise UserError(
                f"{name} must be a whole number from 1 to {largest}, got {_short(value)}"
            )
    variant, groups = values.get("variant", 1), values.get("norm_groups", 1)
    if not _is_whole(variant):
        raise UserError(f"variant must be a whole number, got {_short(variant)}")
    if not (_is_whole(groups) or isinstance(groups, str)) or len(str(groups)) > _SHOWN:
        raise UserError(f"norm_groups must be a number or 'channels/N', got {_short(groups)}")
    operators = member(Operators, values.pop("operators"), field="operators")
    return Architecture(**values, operators=operators)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(value: object) -> str:
    """A wrong value in one line."""
    return f"{value!r:.{_SHOWN}}"
