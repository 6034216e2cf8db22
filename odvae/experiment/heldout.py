"""The evaluation clips of a run, batch by batch. Clips are (B, 3, T, H, W) in [-1, 1]."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from odvae.data import (
    DataConfig,
    EvalClip,
    FrameStore,
    Manifest,
    Source,
    evaluation_clips,
    make_manifest,
    open_source,
)


class HeldOut:
    """The clips of a manifest, always the same ones in the same order."""

    def __init__(self, source: Source, manifest: Manifest, store: FrameStore, batch: int) -> None:
        self.source = source
        self.manifest = manifest
        self.store = store
        self.batch = batch

    @classmethod
    def open(cls, config: DataConfig, *, batch: int, cache: Path | None = None) -> Self:
        """Find the videos and fix the clips; scans lie in ``cache``. Raises UserError if none."""
        source = open_source(config, cache=cache)
        store = FrameStore(config.short_side_px)
        return cls(source, make_manifest(source, config), store, batch)

    def __len__(self) -> int:
        return len(self.manifest.clips)

    def __iter__(self) -> Iterator[tuple[list[str], Tensor]]:
        """Batches of (clip ids, clips)."""
        clips = evaluation_clips(self.manifest, self.source, store=self.store)
        while group := list(islice(clips, self.batch)):
            yield [clip_id(clip) for clip, _ in group], torch.stack([x for _, x in group])

    def fingerprint(self) -> str:
        """Hash of the evaluation clips and of the ranges that train."""
        ranges = [(r.name, r.size_bytes, r.first_frame, r.end_frame) for r in self.source.train]
        return hashlib.sha256(f"{self.manifest.digest} {ranges}".encode()).hexdigest()


def clip_id(clip: EvalClip) -> str:
    """A readable name of a clip, unique within a manifest."""
    return f"{clip.file}@{clip.start_frame}+{clip.top_px},{clip.left_px}"
