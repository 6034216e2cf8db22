"""The clips of videos in a fixed order, for a cache of latents: no chance, no augmentation.

Clips are (B, 3, T, H, W) in [-1, 1].
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from odvae.clip_terms import ClipRules, ClipStart
from odvae.data import (
    DataConfig,
    EvalClip,
    FrameStore,
    Manifest,
    Source,
    UnreadableVideo,
    VideoRange,
    make_manifest,
    to_pixels,
)
from odvae.errors import UserError
from odvae.generation.latents import NO_CLASS

_RULES = ClipRules(start=ClipStart.windows)
_PIECE_FRAMES = 32  # read at a time: a long clip is never in memory as a whole


class ClipWindows:
    """Clips one after the other from the first frame of each range, from the centre of the frames.

    Sample n is clip n of the manifest. No two clips share a frame.

    Attributes:
        manifest: the clips.
        labels: the class of each, -1 for what has none.
        classes: how many classes the videos have; 0: none.
    """

    def __init__(self, manifest: Manifest, videos: Sequence[VideoRange]) -> None:
        self.manifest = manifest
        self._videos = {video.name: video for video in videos}
        found = [video.label for video in videos if video.label is not None]
        self.classes = max(found) + 1 if found else 0
        self.labels = [_label(self._videos[clip.file]) for clip in manifest.clips]
        # Short sides are of the clips, all alike.
        self._store = FrameStore(manifest.clips[0].short_side_px, resize=_RULES.resize)

    @classmethod
    def of(cls, videos: Sequence[VideoRange], config: DataConfig, *, clips: int | None) -> Self:
        """The clips of some videos, as ``config`` has them.

        Args:
            videos: ranges of a source: those that train, as a rule.
            config: frames, stride, side and short side of a clip.
            clips: at most so many, shared out evenly over the videos; None: all there are.

        Raises:
            UserError: no clip can be cut, or a video cannot be read.
        """
        # The rules are those of evaluation clips, which are cut from what a source holds out.
        source = Source(train=[], heldout=list(videos), skipped=[])
        wanted = replace(config, eval_clips=sys.maxsize if clips is None else clips)
        try:
            manifest = make_manifest(source, wanted, rules=_RULES)
        except (UnreadableVideo, OSError) as error:
            raise UserError(f"data: a video cannot be read: {error}") from error
        if not manifest.clips:
            raise UserError(
                f"data={config.source.name} has no video of {config.span_frames} frames or more to "
                f"encode (data.clip_frames={config.clip_frames}, "
                f"data.frame_stride={config.frame_stride})"
            )
        return cls(manifest, videos)

    def __len__(self) -> int:
        return len(self.manifest.clips)

    @property
    def form(self) -> EvalClip:
        """A clip: frames, stride and sides are those of all."""
        return self.manifest.clips[0]

    @cached_property
    def digest(self) -> str:
        """sha256 of all that is read: which frames of which files, how resized, of which class."""
        identity = json.dumps([self.manifest.digest, self.labels, self.classes])
        return hashlib.sha256(identity.encode()).hexdigest()

    def pieces(self, numbers: Sequence[int]) -> Iterator[Tensor]:
        """Some clips side by side, in consecutive pieces (B, 3, n, H, W) of at most 32 frames.

        Raises:
            UserError: a frame cannot be read.
        """
        clips = [self.manifest.clips[number] for number in numbers]
        frames = self.form.clip_frames
        for first in range(0, frames, _PIECE_FRAMES):
            count = min(_PIECE_FRAMES, frames - first)
            yield torch.stack([self._pixels(clip, first, count) for clip in clips])

    def _pixels(self, clip: EvalClip, first: int, count: int) -> Tensor:
        """Frames of a clip, (3, n, H, W), from its ``first`` on."""
        stride = clip.frame_stride
        start = clip.start_frame + first * stride
        try:
            video = self._videos[clip.file]
            frames = self._store.window(video, start, count=count, stride=stride)
        except UnreadableVideo as error:
            raise UserError(
                f"clip {clip.file}@{clip.start_frame} cannot be read: {error.reason}; "
                "videos that odvae scan found bad are skipped"
            ) from error
        rows = slice(clip.top_px, clip.top_px + clip.size_px)
        columns = slice(clip.left_px, clip.left_px + clip.size_px)
        return to_pixels(frames[:, rows, columns])


def _label(video: VideoRange) -> int:
    return NO_CLASS if video.label is None else video.label
