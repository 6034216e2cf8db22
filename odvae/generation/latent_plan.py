"""What a cache of latents is to hold, before anything is encoded; its key says all of it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from odvae.errors import UserError
from odvae.generation.windows import ClipWindows
from odvae.inference import Tiling
from odvae.training.precision import Precision

_FOLDER_CHARACTERS = 16  # of the key


@dataclass(kw_only=True)
class LatentsConfig:
    """Which clips become latents to train a diffusion model on, and how they are stored.

    The form of a clip is that of ``data``. Raises UserError for a field out of range.
    """

    clips: int | None = None  # at most, shared out evenly over the videos; null: all there are
    batch: int = 4  # clips that are encoded at a time
    clips_per_shard: int = 32  # clips of a file: what a kill may cost

    def __post_init__(self) -> None:
        for name in ("batch", "clips_per_shard"):
            if getattr(self, name) < 1:
                raise UserError(f"latents.{name} must be at least 1, got {getattr(self, name)}")
        if self.clips is not None and self.clips < 1:
            raise UserError(f"latents.clips must be null or at least 1, got {self.clips}")


@dataclass(frozen=True, kw_only=True)
class LatentPlan:
    """Which clips go through which VAE, and how."""

    windows: ClipWindows
    vae_digest: str  # of its function
    tiling: Tiling
    precision: Precision  # of the encoder, resolved
    clips_per_shard: int

    def parts(self) -> dict[str, Any]:
        """All that the key is of, in the clear; the digest of the clips covers their form."""
        form = asdict(self.windows.form)
        shared = ("clip_frames", "frame_stride", "size_px", "short_side_px", "resize")
        return {
            "vae": self.vae_digest,
            "clips": self.windows.digest,
            "clip": {name: form[name] for name in shared},
            "tiling": {"kind": type(self.tiling).__name__, **asdict(self.tiling)},
            "precision": self.precision.value,
            "clips_per_shard": self.clips_per_shard,
        }

    @cached_property
    def key(self) -> str:
        """sha256 of the parts: equal keys mean equal latents, up to rounding."""
        return hashlib.sha256(json.dumps(self.parts(), sort_keys=True).encode()).hexdigest()

    def folder(self, caches: Path) -> Path:
        """Where the cache lies below a folder of caches."""
        return caches / self.key[:_FOLDER_CHARACTERS]

    @property
    def shards(self) -> int:
        """How many files."""
        return -(-len(self.windows) // self.clips_per_shard)

    def numbers(self, shard: int) -> range:
        """The samples of a file."""
        first = shard * self.clips_per_shard
        return range(first, min(first + self.clips_per_shard, len(self.windows)))
