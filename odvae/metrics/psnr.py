"""Peak signal-to-noise ratio. Clips are (B, C, T, H, W) in [-1, 1]."""

from torch import Tensor

from odvae.metrics.pixels import check_pair, unit_range

IDENTICAL_DB = 100.0  # what two identical frames count as; no frame counts more


def psnr_db(a: Tensor, b: Tensor) -> Tensor:
    """PSNR of every frame, in dB, on clamp((x + 1) / 2, 0, 1), so with a peak of 1.

    Args:
        a: clip (B, C, T, H, W) in [-1, 1].
        b: clip of the same shape.

    Returns:
        (B, T) in float64; 100 for identical frames, NaN where a frame is not finite.
    """
    check_pair(a, b)
    error = (unit_range(a) - unit_range(b)).square().mean(dim=(1, 3, 4))  # (B, T)
    return -10 * error.clamp(min=10 ** (-IDENTICAL_DB / 10)).log10()
