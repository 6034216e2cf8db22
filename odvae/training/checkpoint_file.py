"""One checkpoint is one file. Its name says what it must hold, so damage shows without a sidecar.

    state_000012_step_1200_score_21.184_1f0c5d3a9b7e2468.pt

is the twelfth that was written, after 1200 updates; the last part is the beginning of its sha256.
``torch.load(path, weights_only=True)`` reads it.
"""

import errno
import hashlib
import io
import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Content = dict[str, Any]  # nested dicts, lists and tuples of tensors, plain numbers and strings

_NAME = re.compile(
    r"state_(?P<serial>\d{6,})_step_(?P<step>\d+)"
    r"(_score_(?P<score>-?\d+(\.\d+)?(e[+-]\d+)?))?_(?P<digest>[0-9a-f]{16})\.pt"
)
_DIGEST_CHARACTERS = 16
_BYTES_PER_LEAF = 1024  # names, alignment and indices of the format, generously
_MARGIN_BYTES = 2**20


@dataclass(frozen=True)
class CheckpointFile:
    """A file that was written as a checkpoint, by its name; whether it is sound, ``damage`` says.

    Attributes:
        serial: the order of writing.
        step: updates done.
        score: higher is better; None for one that was not scored.
    """

    path: Path
    serial: int
    step: int
    score: float | None
    digest: str

    @classmethod
    def at(cls, path: Path) -> "CheckpointFile | None":
        """The checkpoint at ``path``; None for what is not named like one."""
        match = _NAME.fullmatch(path.name)
        if match is None or not path.is_file():
            return None
        score = None if match["score"] is None else float(match["score"])
        return cls(path, int(match["serial"]), int(match["step"]), score, match["digest"])

    def damage(self) -> str | None:
        """Why this file cannot be used, in a sentence for the user; None if it is sound.

        Raises:
            PermissionError: the file may not be read, which is no damage.
        """
        try:
            digest, size_bytes = _digest(self.path), self.path.stat().st_size
        except PermissionError:
            raise
        except OSError as error:
            return f"checkpoint {self.path.name} cannot be read ({error.strerror})"
        if digest == self.digest:
            return None
        return f"checkpoint {self.path.name} is damaged: its {size_bytes} bytes are not those saved"

    def read(self) -> Content:
        """What was saved, all tensors on the CPU."""
        content: Content = torch.load(self.path, map_location="cpu", weights_only=True)
        return content


def file_name(*, serial: int, step: int, score: float | None, digest: str) -> str:
    """The name that ``CheckpointFile.at`` understands."""
    scored = "" if score is None else f"_score_{float(score)!r}"
    return f"state_{serial:06d}_step_{step}{scored}_{digest}.pt"


def write(content: Content, path: Path) -> str:
    """Write ``content`` until it is on the disk and read it back; returns its digest.

    Tensors leave the GPU one at a time: no second copy of them is held anywhere.

    Raises:
        OSError: it could not be written whole, or the disk gives back something else.
    """
    with _HashedFile(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError:  # torch tells a failed write in its own words, without the cause
            if file.failure is not None:
                raise file.failure from None
            raise
        file.flush()
        os.fsync(file.fileno())
        meant = file.digest()
    if _digest(path) != meant:
        raise OSError(errno.EIO, "the disk does not give back what was written to it")
    return meant


def estimated_bytes(content: Content) -> int:
    """Disk space that writing ``content`` takes, or a little more; shared storage counts once.

    Raises:
        TypeError: something in it could be saved, but not be loaded again without running code.
    """
    storages: dict[tuple[torch.device, int], int] = {}
    leaves = 0
    text_bytes = 0
    for leaf in _leaves(content, "content"):
        leaves += 1
        if isinstance(leaf, Tensor):
            storage = leaf.untyped_storage()
            storages[leaf.device, storage.data_ptr()] = storage.nbytes()
        elif isinstance(leaf, str):
            text_bytes += len(leaf.encode())
    return sum(storages.values()) + text_bytes + leaves * _BYTES_PER_LEAF + _MARGIN_BYTES


def _leaves(value: object, where: str) -> Iterator[object]:
    """Everything in ``value`` that holds nothing else. Types are exact: numpy's float64 is a float,
    yet loading it is refused.
    """
    if type(value) in (dict, OrderedDict):
        assert isinstance(value, dict)
        for key, inner in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"{where} has the key {key!r}; a checkpoint has str and int")
            yield from _leaves(inner, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        assert isinstance(value, list | tuple)
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{where}[{index}]")
    elif isinstance(value, Tensor) or type(value) in (int, float, bool, str, type(None)):
        yield value
    else:
        kind = type(value)
        raise TypeError(
            f"{where} is a {kind.__module__}.{kind.__qualname__}; a checkpoint holds dicts, lists, "
            "tuples, tensors, int, float, bool, str and None"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGEST_CHARACTERS]


class _HashedFile(io.BufferedWriter):
    """A new file that knows the digest of what was meant to be in it, and why a write failed."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.failure: OSError | None = None
        self._sha256 = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        self._sha256.update(data)
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise

    def digest(self) -> str:
        return self._sha256.hexdigest()[:_DIGEST_CHARACTERS]
