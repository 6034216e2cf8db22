"""Frames of a file through a VAE and back, in the arithmetic of this machine.

Tensors are (1, C, T, H, W), pixels in [-1, 1]; frames are uint8 (H, W, 3).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from odvae.data.pixels import to_pixels
from odvae.filecoding.reader import Frame
from odvae.inference import Tiling, decode_video_pieces, encode_video_pieces
from odvae.model import VideoVAE
from odvae.training.precision import Arithmetic


@dataclass(frozen=True)
class FileCoder:
    """A VAE on its device, and how videos are cut for it."""

    vae: VideoVAE
    tiling: Tiling
    arithmetic: Arithmetic

    def encode(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[Tensor]:
        """Frames to latents: float32 (1, C, n, h, w), each piece as soon as it is complete."""
        pieces = (to_pixels(rgb[None])[None].to(self.arithmetic.device) for rgb in frames)
        return self._computed(encode_video_pieces(self.vae, pieces, self.tiling))

    def decode(
        self, latents: Iterable[Tensor], *, height_px: int, width_px: int
    ) -> Iterator[Tensor]:
        """Latents to frames, one at a time: float32 (1, 3, 1, H, W) on the CPU, unclamped.

        The repeated frames that the VAE was given at the end are among them.
        """
        on_device = (piece.to(self.arithmetic.device) for piece in latents)
        decoded = decode_video_pieces(
            self.vae, on_device, self.tiling, height_px=height_px, width_px=width_px
        )
        for piece in self._computed(decoded):
            yield from piece.cpu().split(1, dim=2)

    def reconstruct(
        self, frames: Iterable[Frame], *, height_px: int, width_px: int
    ) -> Iterator[tuple[Frame, Tensor]]:
        """Each frame, and what comes back of it: float32 (1, 3, 1, H, W), unclamped."""
        waiting: deque[Frame] = deque()

        def noted() -> Iterator[NDArray[np.uint8]]:
            for frame in frames:
                waiting.append(frame)
                yield frame.rgb

        for pixels in self.decode(self.encode(noted()), height_px=height_px, width_px=width_px):
            if waiting:  # what comes after the last frame is the repetition of it
                yield waiting.popleft(), pixels

    def _computed(self, pieces: Iterator[Tensor]) -> Iterator[Tensor]:
        """The pieces as float32. Only making them happens without gradients and in autocast."""
        while True:
            with torch.inference_mode(), self.arithmetic.autocast():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece.float()
