"""The file that makes shards a cache: what they are of, their sizes, and the scale that fits them.

It is written once all shards are there, so whoever finds it finds a whole cache.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from odvae.errors import UserError
from odvae.generation.latents import LatentShape
from odvae.model import LatentScaling
from odvae.model.atomic import replacing

INDEX_NAME = "index.json"
_FORMAT = "odvae.latent_cache.1"


@dataclass(frozen=True, kw_only=True)
class LatentIndex:
    """What there is to know of a cache without opening its shards."""

    key: str
    parts: Mapping[str, Any]  # what the key is of
    samples: int
    clips_per_shard: int
    classes: int  # 0: samples have no class
    shape: LatentShape  # (c, t, h, w) of a sample
    is_posterior: bool  # else deterministic: there is nothing to draw
    fitted: LatentScaling  # to unit variance
    own: LatentScaling  # the VAE's

    @property
    def shards(self) -> int:
        """How many files."""
        return -(-self.samples // self.clips_per_shard)

    def write(self, folder: Path) -> None:
        """Put it beside its shards."""
        content = {"format": _FORMAT, "odvae": version("odvae"), **asdict(self)}
        with replacing(folder / INDEX_NAME) as new:
            new.write_text(json.dumps(content, indent=1), "utf-8")

    @staticmethod
    def read(folder: Path) -> "LatentIndex":
        """The index in a folder.

        Raises:
            UserError: the cache there is not finished, or there is none.
        """
        path = folder / INDEX_NAME
        if not path.is_file():
            unfinished = "the cache is not finished" if folder.is_dir() else "there is no cache"
            raise UserError(f"{folder}: {unfinished}; task=encode makes it, or goes on with it")
        try:
            content = json.loads(path.read_text("utf-8"))
            if content.pop("format") != _FORMAT:
                raise UserError(f"{path}: of another version of odvae; task=encode makes it anew")
            content.pop("odvae")
            content["shape"] = tuple(content["shape"])
            for name in ("fitted", "own"):
                content[name] = LatentScaling(**{k: tuple(v) for k, v in content[name].items()})
            return LatentIndex(**content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path} is not an index of latents: {error}") from error


def shard_path(folder: Path, shard: int) -> Path:
    """The file of a number."""
    return folder / f"{shard:05}.safetensors"
