"""Tensors out of a weights file, whatever it is called; nothing in a file is ever run."""

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from odvae.errors import UserError

# What damaged files and files of other kinds make the two readers raise.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
_DAMAGED = "damaged, or not weights"
# What stands at the beginning of files that are no weights; compared in lower case.
_NO_WEIGHTS = {
    b"version https://git-lfs": "a git-lfs pointer, not the weights; fetch them with git lfs pull",
    b"<": "a web page, not weights; was the download refused?",
    b"{": "a text, not weights; was the download refused?",
}
_FIRST_STAGE = "first_stage_model."  # the VAE inside a checkpoint of Stable Diffusion
# Of a training, beside the model: losses with their networks, the moving average's copy.
_OF_TRAINING = ("loss.", "discriminator.", "model_ema.")
_LISTED = 3


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The model's tensors in a file of safetensors or of torch, in the names they are under.

    Taken are, in this order: ``ema_state_dict`` if it is not empty, ``state_dict``'s
    ``gen_model``, ``state_dict``, the content itself. Prefixes of wrappers (``module.``, the first
    stage of Stable Diffusion) are cut off; tensors that belong to a training are left out.

    Raises:
        UserError: the file cannot be read, would run code, or holds something else than tensors.
    """
    state = _state(_content(file), file)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    if any(name.startswith(_FIRST_STAGE) for name in state):
        inner = (name for name in state if name.startswith(_FIRST_STAGE))
        state = {name.removeprefix(_FIRST_STAGE): state[name] for name in inner}
    tensors: dict[str, Tensor] = {}
    others: list[str] = []
    for name, value in state.items():
        if name.startswith(_OF_TRAINING):
            continue
        if isinstance(value, Tensor):
            tensors[name] = value
        else:
            others.append(name)
    if others:
        raise UserError(f"{file}: not tensors alone, it also holds {_some(others)}")
    if not tensors:
        raise UserError(f"{file}: holds no tensors")
    return tensors


def _state(content: object, file: Path) -> dict[str, object]:
    """The part of a checkpoint that holds the model."""
    state = content
    if isinstance(state, Mapping):
        if state.get("ema_state_dict"):
            state = state["ema_state_dict"]
        elif "state_dict" in state:
            state = state["state_dict"]
            if isinstance(state, Mapping) and "gen_model" in state:
                state = state["gen_model"]
    if not isinstance(state, Mapping):
        raise UserError(f"{file}: not weights, but a {type(state).__name__}")
    return {str(name): value for name, value in state.items()}


def _content(file: Path) -> object:
    """What a file holds. The kind is told by its first bytes, since names of files mislead."""
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
        if not head:
            raise UserError(f"{file}: an empty file")
        if b"\0" in head[:8] and head[8:9] == b"{":  # the length of the header, the header
            return load_file(file)
        for beginning, problem in _NO_WEIGHTS.items():
            if head.lstrip().lower().startswith(beginning):
                raise UserError(f"{file}: {problem}")
        return _unpickled(file)
    except UserError:
        raise
    except _UNREADABLE as error:
        raise UserError(f"{file}: {_problem(error)}") from error


def _unpickled(file: Path) -> object:
    with warnings.catch_warnings(), file.open("rb") as opened:  # by its name torch would guess
        warnings.simplefilter("ignore")  # of protocols that it then refuses
        return torch.load(opened, map_location="cpu", weights_only=True)


def _problem(error: BaseException) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", str(error))  # a function, or a class
    if named:
        return (
            f"refused, it could run code when loaded ({named[1].rstrip('.')}); "
            "convert it to safetensors where you trust it"
        )
    if isinstance(error, pickle.UnpicklingError) and "Unsupported operand" in str(error):
        return f"{_DAMAGED} (a pickle that holds more than tensors is refused)"
    return _DAMAGED


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
