"""Changes to a training clip that keep it a plausible video; all its frames change alike."""

import numpy as np
import torch
from torch import Tensor

from odvae.data.config import Augment

_FLIP_PROBABILITY = 0.5
_NEGATIVE_PROBABILITY = 0.3
_GAIN = (0.6, 1.2)
_BIAS = (-0.3, 0.3)


def augment_clip(pixels: Tensor, how: Augment, *, rng: np.random.Generator) -> Tensor:
    """Augment one clip, (3, T, H, W) in [-1, 1]; the result has the same shape and range."""
    if how is Augment.none:
        return pixels
    if rng.random() < _FLIP_PROBABILITY:
        pixels = pixels.flip(-1)
    if how is Augment.flip:
        return pixels
    order = torch.from_numpy(rng.permutation(3))
    gain = rng.uniform(*_GAIN) * (-1 if rng.random() < _NEGATIVE_PROBABILITY else 1)
    bias = torch.from_numpy(rng.uniform(*_BIAS, size=3)).float().view(3, 1, 1, 1)
    return pixels[order].mul_(gain).add_(bias).clamp_(-1, 1)
