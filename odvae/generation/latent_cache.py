"""Latents to train a diffusion model on, read from a cache. Latents are (B, c, t, h, w)."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.generation.latent_index import LatentIndex, shard_path
from odvae.generation.latent_shard import ShardFile
from odvae.generation.latents import LatentShape
from odvae.model import Deterministic, Encoding, LatentScaling, Posterior

_OPEN_SHARDS = 128  # files that stay open: those used last


class LatentCache:
    """What ``task=encode`` has made, sample by sample. Made by ``LatentCache.open``.

    Attributes:
        index: what the cache is of, and its sizes.
        scaling: that ``sample`` applies; ``scaling.restore`` goes back to what the VAE decodes.
    """

    def __init__(self, folder: Path, index: LatentIndex, *, scaling: LatentScaling) -> None:
        self.folder = folder
        self.index = index
        self.scaling = scaling
        self._shard = lru_cache(_OPEN_SHARDS)(self._open_shard)

    @classmethod
    def open(cls, folder: Path, *, own_scaling: bool = False) -> "LatentCache":
        """Open a finished cache.

        Args:
            folder: of its shards and its index.
            own_scaling: samples have the VAE's own scaling, instead of the scale fitted to them.

        Raises:
            UserError: there is none, it is not finished, or shards are missing.
        """
        index = LatentIndex.read(folder)
        missing = [n for n in range(index.shards) if not shard_path(folder, n).is_file()]
        if missing:
            raise UserError(
                f"{folder}: {len(missing)} of {index.shards} shards are missing, the first "
                f"is {shard_path(folder, missing[0]).name}; task=encode makes them again"
            )
        return cls(folder, index, scaling=index.own if own_scaling else index.fitted)

    def __len__(self) -> int:
        return self.index.samples

    @property
    def shape(self) -> LatentShape:
        """(c, t, h, w) of a sample."""
        return self.index.shape

    @property
    def size_bytes(self) -> int:
        """Of all shards."""
        shards = range(self.index.shards)
        return sum(shard_path(self.folder, shard).stat().st_size for shard in shards)

    def sample(self, numbers: Tensor, *, noise: Tensor | None) -> Tensor:
        """Latents drawn from the posteriors of some samples, and scaled.

        Args:
            numbers: int64 (B,), from 0.
            noise: (B, c, t, h, w), standard normal; None: the mean. Without effect where the
                encoder was deterministic.

        Returns:
            float32 (B, c, t, h, w), on the device of the numbers.

        Raises:
            ValueError: a number, or a shape of noise, that is none of this cache.
            UserError: a shard is damaged.
        """
        encoding = self.encoding(numbers)
        latents = encoding.mode()
        if noise is not None:
            if noise.shape != latents.shape:
                raise ValueError(f"noise must be {tuple(latents.shape)}, got {tuple(noise.shape)}")
            if isinstance(encoding, Posterior):
                latents = encoding.at(noise.to(latents))
        return self.scaling.normalise(latents)

    def labels(self, numbers: Tensor) -> Tensor:
        """The classes of some samples, -1 for none: int64 (B,), on the device of the numbers."""
        found = [self._shard(shard).labels[row] for shard, row in self._places(numbers)]
        return torch.stack(found).to(numbers.device)

    def encoding(self, numbers: Tensor) -> Encoding:
        """The posteriors of some samples as the VAE gave them, not scaled; errors as ``sample``."""
        found = [self._shard(shard).moments(row) for shard, row in self._places(numbers)]
        moments = torch.stack(found).to(numbers.device)
        return Posterior(moments) if self.index.is_posterior else Deterministic(moments)

    def _places(self, numbers: Tensor) -> list[tuple[int, int]]:
        """The shard of each sample, and its row there."""
        if numbers.ndim != 1 or not len(numbers):
            raise ValueError(f"numbers must be (B,), B at least 1, got {tuple(numbers.shape)}")
        places = []
        for number in numbers.tolist():
            if not 0 <= number < len(self):
                raise ValueError(f"samples are 0 to {len(self) - 1}, got {number}")
            places.append(divmod(number, self.index.clips_per_shard))
        return places

    def _open_shard(self, shard: int) -> ShardFile:
        file = ShardFile(shard_path(self.folder, shard))
        if file.key != self.index.key:
            raise UserError(f"{self.folder}: shard {shard} is of another cache")
        return file
