"""PSNR and SSIM of each frame, into a CSV file as they come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from torch import Tensor

from odvae.data.pixels import to_pixels
from odvae.errors import UserError
from odvae.filecoding.reader import Frame
from odvae.metrics import psnr_db, ssim
from odvae.metrics.ssim import WINDOW_PX


class FrameScores:
    """Lines of a CSV file, and their means. Made by ``scoring``."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._sums = [0.0, 0.0]
        self._frames = 0
        file.write("frame,time_s,psnr_db,ssim\n")

    def add(self, frame: Frame, pixels: Tensor, *, time_s: float) -> None:
        """Score a frame against what came back of it, (1, 3, 1, H, W) before it is written."""
        original = to_pixels(frame.rgb[None])[None]
        scores = [psnr_db(original, pixels).item(), ssim(original, pixels).item()]
        self._file.write(f"{self._frames},{time_s:.6f},{scores[0]:.4f},{scores[1]:.6f}\n")
        self._file.flush()  # a kill loses nothing
        self._sums = [total + score for total, score in zip(self._sums, scores, strict=True)]
        self._frames += 1

    def __str__(self) -> str:
        psnr, similarity = (total / max(1, self._frames) for total in self._sums)
        return f"PSNR {psnr:.2f} dB, SSIM {similarity:.4f}, means of {self._frames} frames"


def check_size(height_px: int, width_px: int) -> None:
    """Refuse frames too small for SSIM. Raises UserError."""
    if min(height_px, width_px) < WINDOW_PX:
        raise UserError(
            f"--metrics needs frames of at least {WINDOW_PX}x{WINDOW_PX} px, "
            f"got {height_px}x{width_px}"
        )


@contextmanager
def scoring(path: Path) -> Iterator[FrameScores]:
    """Write scores to a file, which is begun anew."""
    with path.open("w", encoding="utf-8") as file:
        yield FrameScores(file)
