"""What a diffusion model is trained on and held against. Clips are (B, 3, T, H, W) in [-1, 1]."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from odvae.config import RunConfig
from odvae.data import DataConfig, Source, VideoRange
from odvae.errors import UserError
from odvae.experiment.context import Context
from odvae.experiment.encode_run import EncodingJob
from odvae.experiment.subject import Subject
from odvae.generation.latent_cache import LatentCache
from odvae.generation.windows import ClipWindows

_HELD_OUT_CLIPS = 256  # at most: enough for a loss that is a mean over all values of a latent
_AT_ONCE = 4  # real clips


@dataclass(frozen=True)
class GenerationClips:
    """Latents of the clips that train and of some that do not, and the former as pixels.

    Attributes:
        train: sample n is clip n of ``windows``.
        held_out: scaled as those that train; None: no held-out video is long enough.
        windows: the clips that train.
    """

    train: LatentCache
    held_out: LatentCache | None
    windows: ClipWindows

    @property
    def classes(self) -> int | None:
        """How many there are; None: clips have no class."""
        return self.train.index.classes or None

    @property
    def size(self) -> tuple[int, int, int]:
        """(T, H, W) of a clip."""
        form = self.windows.form
        return form.clip_frames, form.size_px, form.size_px

    def real(self, most: int) -> Iterator[Tensor]:
        """So many of the clips that train, or all, spread evenly over them, a few at a time."""
        numbers = spread(len(self.windows), most)
        for first in range(0, len(numbers), _AT_ONCE):
            pieces = self.windows.pieces(numbers[first : first + _AT_ONCE])
            yield torch.cat(list(pieces), dim=2)


def clip_data(config: RunConfig) -> DataConfig:
    """The clips of a generation: as ``data`` has them, but for frames and stride."""
    given, data = config.generation, config.data
    return replace(
        data,
        clip_frames=given.clip_frames or data.clip_frames,
        frame_stride=given.frame_stride or data.frame_stride,
    )


def check_clips(config: RunConfig, source: Source) -> None:
    """Find out, before anything is trained, whether clips suit. Raises UserError if not."""
    span = clip_data(config).span_frames
    longest = max((video.frames for video in source.train), default=0)
    if longest < span:
        raise UserError(
            f"generation.clip_frames: a clip spans {span} frames, and the longest video that "
            f"trains has {longest}"
        )
    has_classes = any(video.label is not None for video in source.train)
    if config.sampling.guidance != 1 and not (has_classes and config.denoiser.classes):
        raise UserError(
            f"sampling.guidance must be 1 without classes, got {config.sampling.guidance}: "
            f"data={config.data.source.value} has "
            + ("classes, and denoiser.classes=false" if has_classes else "none")
        )


def generation_clips(context: Context, subject: Subject) -> GenerationClips:
    """Encode what is not in the caches yet.

    Raises:
        UserError: no clip can be cut, or one cannot be read or encoded.
    """
    config, source = context.config, context.heldout.source
    of_clips = replace(config, data=clip_data(config))
    train, windows = _encoded(context, of_clips, subject, source.train)
    span = of_clips.data.span_frames
    long_enough = [video for video in source.heldout if video.frames >= span]
    if not long_enough:
        context.progress.note(
            f"no held-out video has the {span} frames that a clip spans: no validation loss"
        )
        return GenerationClips(train, None, windows)
    limit = min(config.latents.clips or _HELD_OUT_CLIPS, _HELD_OUT_CLIPS)
    fewer = replace(of_clips, latents=replace(config.latents, clips=limit))
    cache, _ = _encoded(context, fewer, subject, long_enough)
    as_train = LatentCache(cache.folder, cache.index, scaling=train.scaling)
    return GenerationClips(train, as_train, windows)


def _encoded(
    context: Context, config: RunConfig, subject: Subject, videos: Sequence[VideoRange]
) -> tuple[LatentCache, ClipWindows]:
    job = EncodingJob(config, subject, videos, context.arithmetic, context.progress)
    job.fill()
    context.progress.note(job.told())
    return job.cache(), job.plan.windows


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, evenly spaced, the first one among them."""
    chosen = min(count, most)
    return [index * count // chosen for index in range(chosen)]
