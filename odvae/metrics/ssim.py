"""Structural similarity (Wang et al. 2004). Clips are (B, C, T, H, W) in [-1, 1]."""

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics.pixels import check_pair, unit_range

WINDOW_PX = 11
SIGMA_PX = 1.5
K1, K2 = 0.01, 0.03


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of every frame: 11x11 Gaussian window, valid region, averaged over RGB channels.

    Computed in float64 on clamp((x + 1) / 2, 0, 1) with population (not sample) covariances.

    Args:
        a: clip (B, C, T, H, W) in [-1, 1], at least 11x11 pixels.
        b: clip of the same shape.

    Returns:
        (B, T) in float64, 1 for identical frames, NaN where a frame is not finite.

    Raises:
        UserError: the frames are smaller than the window.
    """
    check_pair(a, b)
    height, width = a.shape[-2:]
    if min(height, width) < WINDOW_PX:
        raise UserError(f"SSIM needs frames of at least 11x11 px, got {height}x{width}")
    x, y = unit_range(a), unit_range(b)
    moments = torch.stack([x, y, x * x, y * y, x * y])  # (5, B, C, T, H, W)
    mean_x, mean_y, xx, yy, xy = _window_means(moments)
    var_x, var_y = xx - mean_x**2, yy - mean_y**2
    covariance = xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + K1**2) / (mean_x**2 + mean_y**2 + K1**2)
    structure = (2 * covariance + K2**2) / (var_x + var_y + K2**2)
    similarity: Tensor = (luminance * structure).mean(dim=(1, 3, 4))  # (B, T)
    return similarity


def _window_means(images: Tensor) -> Tensor:
    """Gaussian means over (..., H, W), only where the window fits: (..., H - 10, W - 10).

    A sum of shifted images, one axis after the other: PyTorch's convolution of a single channel
    in float64 takes ten times as long.
    """
    offsets = torch.arange(WINDOW_PX, dtype=torch.float64) - WINDOW_PX // 2
    window = torch.exp(-offsets.square() / (2 * SIGMA_PX**2))
    taps: list[float] = (window / window.sum()).tolist()
    for axis in (-2, -1):
        size = images.shape[axis] - WINDOW_PX + 1
        means = images.narrow(axis, 0, size) * taps[0]
        for start, tap in enumerate(taps[1:], start=1):
            means.add_(images.narrow(axis, start, size), alpha=tap)
        images = means
    return images
