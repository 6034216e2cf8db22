"""From the frames of a window to a training clip."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from odvae.data.augment import augment_clip
from odvae.data.config import DataConfig
from odvae.data.pixels import to_pixels


def random_crop(
    frames: NDArray[np.uint8], config: DataConfig, *, rng: np.random.Generator
) -> Tensor:
    """Crop a window of frames somewhere and augment it.

    Args:
        frames: uint8 (T, H, W, 3), at the configuration's short side.

    Returns:
        float32 (3, T, size_px, size_px) in [-1, 1].
    """
    top = rng.integers(frames.shape[1] - config.size_px + 1)
    left = rng.integers(frames.shape[2] - config.size_px + 1)
    crop = frames[:, top : top + config.size_px, left : left + config.size_px]
    return augment_clip(to_pixels(crop), config.augment, rng=rng)
