"""Clips to the moments of their latents, through any VAE. Tensors are (B, C, T, H, W)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.generation.windows import ClipWindows
from odvae.inference import Tiling, find_seams
from odvae.inference.coding import encode_pieces
from odvae.inference.temporal import continued, joined
from odvae.model import Encoding, VideoVAE
from odvae.training.precision import Arithmetic


@dataclass(frozen=True, kw_only=True)
class LatentEncoder:
    """A VAE on its device, and how clips go through it.

    A clip is read and encoded in pieces: with any tiling but ``off``, neither its pixels nor the
    activations are ever there as a whole. A length that the VAE does not take is continued by
    repeating the last frame, as in an evaluation.

    Raises:
        UserError: the VAE would cut the side of the clips, or the tiling does not suit it.
    """

    vae: VideoVAE
    windows: ClipWindows
    tiling: Tiling
    arithmetic: Arithmetic
    batch: int  # clips at a time; changes rounding only

    def __post_init__(self) -> None:
        by, size_px = self.vae.compression, self.windows.form.size_px
        for compression in (by.height, by.width):
            if size_px % compression:
                raise UserError(
                    f"data.size_px must be a multiple of {compression} (pixels per latent of this "
                    f"VAE), got {size_px}"
                )
        # Refuses what does not suit now, and not once the first clip is read.
        find_seams(self.vae, (self.windows.form.clip_frames, size_px, size_px), self.tiling)

    def encode(self, numbers: range) -> Encoding:
        """The posteriors of some samples, or what the VAE has instead: float32, on the CPU.

        Raises:
            UserError: the tiling does not suit the VAE, a frame cannot be read, or a latent is not
                finite.
        """
        groups = [numbers[i : i + self.batch] for i in range(0, len(numbers), self.batch)]
        encodings = [self._encode(group) for group in groups]
        moments = torch.cat([encoding.moments for encoding in encodings])
        broken = (~moments.flatten(1).isfinite().all(dim=1)).nonzero()[:, 0].tolist()
        if broken:
            clip = self.windows.manifest.clips[numbers[broken[0]]]
            raise UserError(
                f"latents of the clip {clip.file}@{clip.start_frame} are not finite: the weights "
                f"are broken, or trainer.precision={self.arithmetic.precision.value} is too coarse"
            )
        return type(encodings[0])(moments)

    @torch.inference_mode()
    def _encode(self, numbers: range) -> Encoding:
        pieces = continued(self._pieces(numbers), self.vae.clip_lengths)
        with self.arithmetic.autocast():
            parts = [
                type(part)(part.moments.to("cpu", torch.float32))
                for part in encode_pieces(self.vae, pieces, self.tiling)
            ]
        return type(parts[0])(joined([part.moments for part in parts]))

    def _pieces(self, numbers: range) -> Iterator[Tensor]:
        for piece in self.windows.pieces(numbers):
            yield piece.to(self.arithmetic.device)
