"""Latents worth aiming at from the first step: the whitened main components of 8x8 blocks.

An image VAE that has to invent its latents from noise spends most of a short training on that.
So at first the encoder regresses the linear code below while the decoder learns to invert it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.model.architecture import SPACE_COMPRESSION


class BlockCode:
    """A linear code of 8x8x3 blocks: their first principal components, each of unit variance."""

    def __init__(self, pixels: Tensor, *, channels: int) -> None:
        """Fit to sample pixels (B, 3, T, H, W) in [-1, 1]."""
        blocks = _blocks(pixels).transpose(0, 1).flatten(1).T.double()  # (N, 192)
        self._mean = blocks.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov((blocks - self._mean).T))
        top_values, top = values[-channels:].flip(0), vectors[:, -channels:].flip(1)
        # An eigenvector's sign is arbitrary: fix it, so that every machine aims at the same code.
        signs = top.gather(0, top.abs().argmax(dim=0, keepdim=True)).sign()
        self._project = top * signs / top_values.sqrt()

    def __call__(self, pixels: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, channels, T, H / 8, W / 8)."""
        blocks = _blocks(pixels)  # (B, 192, T, h, w)
        centred = blocks.movedim(1, -1) - self._mean.to(blocks)
        code: Tensor = (centred @ self._project.to(blocks)).movedim(-1, 1)
        return code


def _blocks(pixels: Tensor) -> Tensor:
    """(B, 3, T, H, W) to (B, 192, T, H / 8, W / 8)."""
    frames = F.pixel_unshuffle(pixels.transpose(1, 2), SPACE_COMPRESSION)  # (B, T, 192, h, w)
    return frames.transpose(1, 2)
