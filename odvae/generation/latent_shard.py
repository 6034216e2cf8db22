"""One file of a cache: the latents of some clips. Latents are (B, c, t, h, w).

A safetensors file with the tensors

    moments  float32 (n, 2 c, t, h, w), or (n, c, t, h, w) where the encoder has no posterior
    numbers  int64 (n,), of the samples
    labels   int64 (n,), their classes, -1 for none
    sums     float64 (3, c), see ``LatentSums``

and the key of the cache, the kind of the moments and a digest of the tensors in its metadata.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from odvae.errors import UserError
from odvae.generation.latent_sums import LatentSums
from odvae.model import Deterministic, Encoding, Posterior
from odvae.model.atomic import sync_folder

_FORMAT = "odvae.latent_shard.1"
_KINDS: dict[str, type[Posterior] | type[Deterministic]] = {
    "posterior": Posterior,
    "deterministic": Deterministic,
}


@dataclass(frozen=True, eq=False)
class LatentShard:
    """What a file holds."""

    encoding: Encoding  # of n clips, float32 on the CPU
    numbers: Tensor  # int64 (n,)
    labels: Tensor  # int64 (n,)

    def write(self, path: Path, *, key: str) -> None:
        """Write the file: it is there once it is whole and on the disk, and not before.

        Raises:
            OSError: it cannot be written; what was at ``path`` is still there.
        """
        tensors = {
            "moments": self.encoding.moments.contiguous(),
            "numbers": self.numbers,
            "labels": self.labels,
            "sums": LatentSums.of(self.encoding).values,
        }
        kind = next(name for name, made in _KINDS.items() if isinstance(self.encoding, made))
        metadata = {"format": _FORMAT, "key": key, "kind": kind, "sha256": _digest(tensors)}
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(save(tensors, metadata))
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(path.parent)


class ShardFile:
    """A shard on disk: mapped, so that only what is asked for is read.

    Raises:
        UserError: it is no such file, or not all of it is there.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = _mapped(path)
            metadata = self._file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise UserError(f"{path} is no shard of latents")
            self._moments = self._file.get_slice("moments")
            self.numbers: Tensor = self._file.get_tensor("numbers").clone()
            self.labels: Tensor = self._file.get_tensor("labels").clone()
            self.sums = LatentSums(self._file.get_tensor("sums").clone())
            self.key: str = metadata["key"]
            self.kind = _KINDS[metadata["kind"]]
            self._sha256: str = metadata["sha256"]
        except (OSError, SafetensorError, KeyError) as error:
            raise UserError(f"{path} cannot be read as a shard of latents: {error}") from error

    @property
    def moments_shape(self) -> tuple[int, ...]:
        """(n, 2 c or c, t, h, w)."""
        return tuple(self._moments.get_shape())

    def moments(self, row: int) -> Tensor:
        """Of one clip, float32 (2 c or c, t, h, w)."""
        found: Tensor = self._moments[row : row + 1][0].clone()
        return found

    def holds(self, numbers: Iterable[int], *, key: str) -> bool:
        """Whether these are its samples, of that cache, and every bit is as it was written."""
        if self.key != key or self.numbers.tolist() != list(numbers):
            return False
        tensors = {name: self._file.get_tensor(name) for name in self._file.keys()}  # noqa: SIM118
        return _digest(tensors) == self._sha256


def _mapped(path: Path) -> Any:
    return safe_open(path, framework="pt")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    whole = hashlib.sha256()
    for name in sorted(tensors):
        whole.update(f"{name} {tuple(tensors[name].shape)}".encode())
        whole.update(tensors[name].flatten().numpy().data)
    return whole.hexdigest()
