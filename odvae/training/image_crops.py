"""Crops of single frames at several scales, to train an image VAE on. Pixels (B, 3, 1, H, W)."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from odvae.data import (
    Augment,
    Skipped,
    UnreadableVideo,
    VideoRange,
    augment_clip,
    read_frames,
    resize_short_side,
    to_pixels,
)
from odvae.errors import UserError

SHORT_SIDES_PX = (64, 80, 112, 160)  # one crop of each in every batch
MAX_FRAMES_PER_VIDEO = 48  # spread over the video: neighbours look alike


class ImageCrops:
    """Random square crops; a batch depends on (seed, step) only."""

    def __init__(self, ranges: list[VideoRange], *, size_px: int, seed: int) -> None:
        self._size_px = size_px
        self._seed = seed
        self._banks: dict[int, list[NDArray[np.uint8]]] = {side: [] for side in SHORT_SIDES_PX}
        self.skipped: list[Skipped] = []  # videos that probed well and do not decode
        for video in ranges:
            stride = -(-video.frames // MAX_FRAMES_PER_VIDEO)
            count = 1 + (video.frames - 1) // stride
            try:
                frames = read_frames(video.path, video.first_frame, count=count, stride=stride)
            except UnreadableVideo as error:
                self.skipped.append(Skipped(video.name, error.reason))
                continue
            for side in SHORT_SIDES_PX:
                self._banks[side].append(resize_short_side(frames, side))

        if len(self.skipped) == len(ranges):
            listed = "; ".join(f"{one.name}: {one.reason}" for one in self.skipped[:3])
            raise UserError(f"the image VAE has no readable video to train on ({listed})")

    def batch(self, step: int, data_round: int = 0) -> Tensor:
        """One crop at each scale: float32 (4, 3, 1, size, size) in [-1, 1]."""
        return torch.stack([self._crop(side, step, data_round) for side in SHORT_SIDES_PX])

    def batches(self, first_step: int, end_step: int, data_round: int = 0) -> Iterator[Tensor]:
        """The batches of these steps, in order; another round has other ones."""
        return (self.batch(step, data_round) for step in range(first_step, end_step))

    def _crop(self, side: int, step: int, data_round: int) -> Tensor:
        rng = np.random.default_rng([self._seed, step, side, *[data_round] * (data_round > 0)])
        bank = self._banks[side]
        frames = bank[rng.integers(len(bank))]  # every scene is as likely as any other
        number = rng.integers(len(frames))
        top = rng.integers(frames.shape[1] - self._size_px + 1)
        left = rng.integers(frames.shape[2] - self._size_px + 1)
        rows, columns = slice(top, top + self._size_px), slice(left, left + self._size_px)
        crop = to_pixels(frames[number : number + 1, rows, columns])  # (3, 1, size, size)
        if rng.random() < 0.5:
            crop = crop.transpose(-1, -2)
        return augment_clip(crop, Augment.colour, rng=rng).contiguous()
