"""The evaluation clips of a run, batch by batch. Clips are (B, 3, T, H, W) in [-1, 1]."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from odvae.data import (
    Clips,
    DataConfig,
    DatasetSummary,
    DataSource,
    EvalClip,
    FrameStore,
    Manifest,
    Source,
    TrainingClips,
    VideoRange,
    dataset_summary,
    evaluation_clips,
    make_manifest,
    open_source,
)
from odvae.data.shards import ShardCache, ShardClips, ShardSet, extract_videos, open_shard_source

VIDEOS_OF_SHARDS = 256


class HeldOut:
    """The clips of a manifest, always the same ones in the same order, and what trains beside."""

    def __init__(
        self,
        source: Source,
        manifest: Manifest,
        *,
        config: DataConfig,
        batch: int,
        shards: ShardSet | None = None,  # what trains, where it does not lie in files
    ) -> None:
        self.source = source
        self.manifest = manifest
        self.batch = batch
        self._config = config
        self._store = FrameStore(config.short_side_px)
        self._shards = shards

    @classmethod
    def open(cls, config: DataConfig, *, batch: int, cache: Path) -> Self:
        """Find the videos and fix the clips; scans and fetched shards lie in ``cache``.

        Raises UserError if there are none.
        """
        shards = None
        if config.source is DataSource.webdataset:
            assert config.path is not None, "checked with the configuration"
            kept = ShardCache(cache / "shards", limit_bytes=round(config.cache_gb * 1e9))
            found = open_shard_source(config, kept, train=config.path, heldout=config.heldout)
            source, shards = Source([], found.heldout, found.skipped), found.train
        else:
            source = open_source(config, cache=cache)
        manifest = make_manifest(source, config)
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


def clip_id(clip: EvalClip) -> str:
    """A readable name of a clip, unique within a manifest."""
    return f"{clip.file}@{clip.start_frame}+{clip.top_px},{clip.left_px}"
