"""Caches of made videos through VAEs whose answers are known, and processes that are killed."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from odvae.data import (
    DataConfig,
    DataSource,
    VideoRange,
    open_source,
    read_frames,
    resize_short_side,
    to_pixels,
)
from odvae.generation.latent_encoder import LatentEncoder
from odvae.generation.latent_filling import LatentFilling
from odvae.generation.latent_plan import LatentPlan
from odvae.generation.windows import ClipWindows
from odvae.inference import Tiling
from odvae.model import Compression, Encoding, VideoVAE
from odvae.training.precision import Arithmetic, Precision
from tests.inference.fake_vae import LosslessVAE

CPU = Arithmetic(torch.device("cpu"), Precision.fp32)
BY = Compression(2, 8, 8)


def data_config(folder: Path, *, clip_frames: int = 5, size_px: int = 16) -> DataConfig:
    return DataConfig(
        source=DataSource.folder,
        path=str(folder),
        clip_frames=clip_frames,
        size_px=size_px,
        short_side_px=24,
    )


def training_videos(config: DataConfig) -> list[VideoRange]:
    return open_source(config).train


def windows_of(folder: Path, *, clips: int | None = None, clip_frames: int = 5) -> ClipWindows:
    config = data_config(folder, clip_frames=clip_frames)
    return ClipWindows.of(training_videos(config), config, clips=clips)


def clip_of(windows: ClipWindows, number: int, folder: Path) -> Tensor:
    """What sample ``number`` is, read by other means: (1, 3, T, H, W)."""
    clip = windows.manifest.clips[number]
    frames = read_frames(
        folder / clip.file, clip.start_frame, count=clip.clip_frames, stride=clip.frame_stride
    )
    frames = resize_short_side(frames, clip.short_side_px)
    top, left = ((side - clip.size_px) // 2 for side in frames.shape[1:3])
    assert (clip.top_px, clip.left_px) == (top, left)  # the centre
    return to_pixels(frames[:, top : top + clip.size_px, left : left + clip.size_px])[None]


@dataclass(frozen=True)
class Making:
    """A cache that is to be made."""

    plan: LatentPlan
    encoder: LatentEncoder

    @classmethod
    def of(
        cls,
        windows: ClipWindows,
        *,
        vae: VideoVAE | None = None,
        tiling: Tiling | None = None,
        clips_per_shard: int = 2,
        vae_digest: str = "a",
        batch: int = 4,
    ) -> "Making":
        tiling = tiling or Tiling.off()
        plan = LatentPlan(
            windows=windows,
            vae_digest=vae_digest,
            tiling=tiling,
            precision=Precision.fp32,
            clips_per_shard=clips_per_shard,
        )
        encoder = LatentEncoder(
            vae=vae or LosslessVAE(BY),
            windows=windows,
            tiling=tiling,
            arithmetic=CPU,
            batch=batch,
        )
        return cls(plan, encoder)

    def fill(self, caches: Path, encode: Callable[[range], Encoding] | None = None) -> int:
        """Make it with a look at the disk as a new process has; returns the clips encoded."""
        filling = LatentFilling(self.plan, self.plan.folder(caches))
        own = self.encoder.vae.latent_scaling
        return filling.fill(encode or self.encoder.encode, own=own)

    def sound(self, caches: Path) -> list[int]:
        """Shards that are there and whole."""
        missing = LatentFilling(self.plan, self.plan.folder(caches)).missing()
        return sorted(set(range(self.plan.shards)) - set(missing))


def forbidden(numbers: Sequence[int]) -> Encoding:
    """Stands for encoding where nothing is to be encoded."""
    raise AssertionError(f"clips {list(numbers)} were encoded again")


def fill_slowly(videos: Path, caches: Path, log: Path, together: Callable[[], object]) -> None:
    """Fill a cache beside others that do, telling which shards were encoded by whom."""
    torch.set_num_threads(1)
    making = Making.of(windows_of(videos))

    def slowly(numbers: range) -> Encoding:
        time.sleep(0.1)
        with log.open("a") as file:
            file.write(f"{os.getpid()} {numbers[0]}\n")
        return making.encoder.encode(numbers)

    together()
    making.fill(caches, slowly)


def fill_and_die(videos: Path, caches: Path, at_call: int) -> None:
    """Fill a cache, killed right before the call of that number which changes the disk."""
    torch.set_num_threads(1)
    making = Making.of(windows_of(videos))
    calls = 0

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at_call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return call

    with ExitStack() as patched:
        for name in ("fsync", "replace"):
            patched.enter_context(patch.object(os, name, dying(getattr(os, name))))
        making.fill(caches)
