"""Which files of a folder, here or on the hub, are the weights of its model."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from odvae.errors import UserError

CONFIG_FILE = "config.json"
SAFE = ".safetensors"
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (SAFE, *PICKLED)
# What the formats call their weights. Other names do where there is but one file.
CONVENTIONAL = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "checkpoint.ckpt",
    "diffusion_pytorch_model.bin",
)
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5,})-of-(?P<total>\d+)(?P<rest>\..+)")
_VARIANT = re.compile(r"\.(fp16|bf16|fp32|non_ema)(?=\.(safetensors|bin)$)")  # of diffusers


@dataclass(frozen=True)
class _Weights:
    """A file, or the shards of one that are there."""

    name: str  # of the whole: a shard's without its numbers
    files: list[str]


def weight_files(names: Iterable[str], *, where: str) -> list[str]:
    """The names of the weights among the names of files: one, or all shards of one.

    safetensors come first; a pickle is taken only where there are none. Of several, the one with
    a conventional name is taken, or the one of which all others are variants (``name.fp16...``).

    Raises:
        UserError: there are none, several that none stands out from, or not all shards.
    """
    visible = sorted(name for name in names if not name.startswith("."))
    for suffixes in ((SAFE,), PICKLED):
        found = _grouped([name for name in visible if name.endswith(suffixes)])
        if found:
            return _complete(_the_one(found, where=where).files, where=where)
    config = "a config.json, but" if CONFIG_FILE in visible else "no config.json and"
    raise UserError(f"{where}: holds {config} no weights ({', '.join(SUFFIXES)})")


def named_files(name: str, names: Iterable[str], *, where: str) -> list[str]:
    """The file of that name; if it is a shard, all of its kind among the names beside it.

    Raises:
        UserError: not all shards are there.
    """
    own = next(weights for weights in _grouped(sorted({name, *names})) if name in weights.files)
    return _complete(own.files, where=where)


def is_described(name: str) -> bool:
    """Whether a file is called as a format has it, so that a config.json beside it describes it."""
    is_shard = _SHARD.fullmatch(name) is not None
    return name in CONVENTIONAL or is_shard or _VARIANT.search(name) is not None


def _grouped(names: Iterable[str]) -> list[_Weights]:
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        shard = _SHARD.fullmatch(name)
        key = (shard["stem"] + shard["rest"], shard["total"]) if shard else (name, "")
        groups.setdefault(key, []).append(name)
    return [_Weights(name, files) for (name, _), files in groups.items()]


def _the_one(found: list[_Weights], *, where: str) -> _Weights:
    for name in CONVENTIONAL:
        of_that_name = [weights for weights in found if weights.name == name]
        whole = [weights for weights in of_that_name if weights.files == [name]]
        if len(whole or of_that_name) == 1:
            return (whole or of_that_name)[0]
    plain = [weights for weights in found if all(_varies(o, weights) for o in found)]
    if len(plain) == 1:
        return plain[0]
    listed = ", ".join(weights.files[0] for weights in found)
    raise UserError(f"{where}: holds several weights files ({listed}); name one of them")


def _varies(other: _Weights, plain: _Weights) -> bool:
    return plain.name in (other.name, _VARIANT.sub("", other.name))


def _complete(files: list[str], *, where: str) -> list[str]:
    shard = _SHARD.fullmatch(files[0])
    if shard is None:
        return files
    digits = len(shard["number"])
    for number in range(1, int(shard["total"]) + 1):
        name = f"{shard['stem']}-{number:0{digits}}-of-{shard['total']}{shard['rest']}"
        if name not in files:
            raise UserError(f"{where}: {name} is missing, one of {shard['total']} shards")
    return files
