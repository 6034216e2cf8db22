"""Tensors out of a weights file, whatever it is called; nothing in a file is ever run."""

import pickle
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.model.weights_file import is_safetensors, read_safetensors

# What damaged files and files of other kinds make torch's reader raise.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
_DAMAGED = "damaged, or not weights"
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
        if not _is_empty(state.get("ema_state_dict")):
            state = state["ema_state_dict"]
        elif "state_dict" in state:
            state = state["state_dict"]
            if isinstance(state, Mapping) and "gen_model" in state:
                state = state["gen_model"]
    if not isinstance(state, Mapping):
        raise UserError(f"{file}: not weights, but a {type(state).__name__}")
    return {str(name): value for name, value in state.items()}


def _is_empty(part: object) -> bool:
    return part is None or (isinstance(part, Mapping) and not part)


def _content(file: Path) -> object:
    """What a file holds. The kind is told by its first bytes, since names of files mislead."""
    if is_safetensors(file):
        return read_safetensors(file)
    try:
        return _unpickled(file)
    except _UNREADABLE as error:
        raise UserError(f"{file}: {_problem(error, file)}") from error


def _unpickled(file: Path) -> object:
    with warnings.catch_warnings(), file.open("rb") as opened:  # by its name torch would guess
        warnings.simplefilter("ignore")  # of protocols that it then refuses
        return torch.load(opened, map_location="cpu", weights_only=True)


def _problem(error: BaseException, file: Path) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", str(error))  # a function, or a class
    if named:
        return _refused(named[1].rstrip("."))
    if isinstance(error, pickle.UnpicklingError) and _is_pickle(file):
        return _refused("a pickle that holds more than tensors")
    return _DAMAGED


def _refused(what: str) -> str:
    return (
        f"refused, it could run code when loaded ({what}); "
        "convert it to safetensors where you trust it"
    )


def _is_pickle(file: Path) -> bool:
    """Whether a file is a whole pickle, or torch's archive with one. Nothing in it is run."""
    try:
        if not zipfile.is_zipfile(file):
            with file.open("rb") as opened:
                return _ends(opened)
        with zipfile.ZipFile(file) as archive:
            name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
            with archive.open(name) as opened:
                return _ends(opened)
    except (*_UNREADABLE, StopIteration, zipfile.BadZipFile):
        return False


def _ends(opened: IO[bytes]) -> bool:
    """Whether operations of a pickle are all there is up to its end; raises otherwise."""
    for _ in pickletools.genops(opened):
        pass
    return True


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
