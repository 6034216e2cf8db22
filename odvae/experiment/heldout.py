"""The evaluation clips of a run, batch by batch. Clips are (B, 3, T, H, W) in [-1, 1]."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from odvae.clip_terms import ClipRules
from odvae.config import RunConfig
from odvae.data import (
    Clips,
    DataConfig,
    DatasetSummary,
    DataSource,
    EvalClip,
    FrameStore,
    Manifest,
    Skipped,
    Source,
    TrainingClips,
    VideoRange,
    config_for,
    dataset_summary,
    evaluation_clips,
    make_manifest,
    open_source,
)
from odvae.data.shards import ShardCache, ShardClips, ShardSet, extract_videos, open_shard_source
from odvae.errors import UserError

VIDEOS_OF_SHARDS = 256


class HeldOut:
    """The clips of a manifest, always the same ones in the same order, and what trains beside."""

    def __init__(
        self,
        source: Source,
        manifest: Manifest,
        *,
        config: RunConfig,
        batch: int,
        shards: ShardSet | None = None,  # what trains, where it does not lie in files
    ) -> None:
        self.source = source
        self.manifest = manifest
        self.batch = batch
        self._config = config.data  # of what trains
        clips, rules = config.evaluation_data, config.metrics.protocol.rules
        self._store = FrameStore(clips.short_side_px, resize=rules.resize)
        self._shards = shards

    @classmethod
    def open(cls, config: RunConfig, *, batch: int) -> Self:
        """Find the videos and fix the clips, as the run's protocol cuts them.

        Which videos are held out is a matter of ``data.*`` alone: a protocol takes its clips from
        them, and never one that trains.

        Raises:
            UserError: there are none, or none from which the protocol can cut a clip.
        """
        clips, rules = config.evaluation_data, config.metrics.protocol.rules
        source, shards = _opened(config.data, clips, cache=config.cache)
        short = _too_short(source.heldout, clips, rules)
        if len(short) == len(source.heldout):
            raise _nothing_to_cut(source.heldout, clips, rules)
        source = replace(source, skipped=[*source.skipped, *short])
        manifest = make_manifest(source, clips, rules=rules)
        return cls(source, manifest, config=config, batch=batch, shards=shards)

    def training_clips(self, *, seed: int) -> Clips:
        """Random clips of what is not held out."""
        if self._shards is not None:
            return ShardClips(self._shards, self._config, seed=seed)
        store = FrameStore(self._config.short_side_px)
        return TrainingClips(self.source.train, self._config, seed=seed, store=store)

    def training_videos(self) -> list[VideoRange]:
        """Videos of what is not held out: all, or of shards enough to train an image VAE on."""
        if self._shards is None:
            return self.source.train
        return extract_videos(self._shards, wanted=VIDEOS_OF_SHARDS, span_frames=1)[0]

    def summary(self) -> DatasetSummary:
        """What the run is given, in numbers, and its identity."""
        known = dataset_summary(self.source, self._config)
        if self._shards is None:
            return known
        samples = [sample for shard in self._shards.shards for sample in shard.samples]
        frames = sum(sample.frames or 0 for sample in samples)
        digest = hashlib.sha256(f"{self._shards.digest} {known.digest}".encode()).hexdigest()
        return replace(known, digest=digest, train_videos=len(samples), train_frames=frames)

    def __len__(self) -> int:
        return len(self.manifest.clips)

    def __iter__(self) -> Iterator[tuple[list[str], Tensor]]:
        """Batches of (clip ids, clips)."""
        clips = evaluation_clips(self.manifest, self.source, store=self._store)
        while group := list(islice(clips, self.batch)):
            yield [clip_id(clip) for clip, _ in group], torch.stack([x for _, x in group])

    def fingerprint(self) -> str:
        """Hash of the evaluation clips and of the ranges that train."""
        ranges = [(r.name, r.size_bytes, r.first_frame, r.end_frame) for r in self.source.train]
        shards = "" if self._shards is None else self._shards.digest
        identity = f"{self.manifest.digest} {ranges}{shards}"
        return hashlib.sha256(identity.encode()).hexdigest()


def _opened(
    config: DataConfig, clips: DataConfig, *, cache: Path
) -> tuple[Source, ShardSet | None]:
    """The source and, where what trains does not lie in files, that; ``cache`` holds the rest."""
    if config.source is not DataSource.webdataset:
        return open_source(config, cache=cache), None
    assert config.path is not None, "checked with the configuration"
    kept = ShardCache(cache / "shards", limit_bytes=round(config.cache_gb * 1e9))
    found = open_shard_source(
        config, kept, train=config.path, heldout=config.heldout, evaluated=clips
    )
    return Source([], found.heldout, found.skipped), found.train


def _too_short(videos: list[VideoRange], clips: DataConfig, rules: ClipRules) -> list[Skipped]:
    """Held-out videos that are shorter than a clip to score."""
    spans = [config_for(video, clips, rules=rules).span_frames for video in videos]
    return [
        Skipped(video.name, f"evaluation: {video.frames} frames, a clip to score spans {span}")
        for video, span in zip(videos, spans, strict=True)
        if video.frames < span
    ]


def _nothing_to_cut(videos: list[VideoRange], clips: DataConfig, rules: ClipRules) -> UserError:
    longest = max(videos, key=lambda video: video.frames)
    rate = f" at {rules.fps:g} frames a second" if rules.fps else f" at stride {clips.frame_stride}"
    span = config_for(longest, clips, rules=rules).span_frames
    return UserError(
        f"metrics.protocol.clip_frames={clips.clip_frames}{rate} is more than any held-out video "
        f"has: the longest of {len(videos)}, {longest.name}, has {longest.frames} frames held out "
        f"and a clip spans {span}"
    )


def clip_id(clip: EvalClip) -> str:
    """A readable name of a clip, unique within a manifest."""
    return f"{clip.file}@{clip.start_frame}+{clip.top_px},{clip.left_px}"
