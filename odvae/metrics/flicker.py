"""Flicker: change over time that the original does not have. Clips are (B, C, T, H, W)."""

from torch import Tensor

from odvae.errors import UserError
from odvae.metrics.pixels import check_pair, unit_range

MIN_FRAMES = 2


def flicker(original: Tensor, reconstruction: Tensor) -> Tensor:
    """Difference of frame differences: mean |(x_t - x_(t-1)) - (y_t - y_(t-1))|, t = 1 ... T - 1.

    On clamp((x + 1) / 2, 0, 1), the mean being over channels and pixels. An error that stands still
    costs nothing, however large; one that comes and goes costs twice, coming and going.

    Args:
        original: clip (B, C, T, H, W) in [-1, 1], at least two frames.
        reconstruction: clip of the same shape.

    Returns:
        (B, T - 1) in float64, from 0 (the same change) to 2 (black to white for white to black);
        NaN where one of the two frames is not finite.

    Raises:
        UserError: the clips have a single frame.
    """
    check_pair(original, reconstruction)
    reason = needs_two_frames("flicker", original.shape[2])
    if reason is not None:
        raise UserError(reason)
    error = unit_range(reconstruction) - unit_range(original)
    return error.diff(dim=2).abs().mean(dim=(1, 3, 4))  # (B, T - 1)


def needs_two_frames(name: str, frames: int) -> str | None:
    """Why a metric of two frames cannot look at clips of so few; None: it can."""
    if frames >= MIN_FRAMES:
        return None
    return f"{name} needs clips of at least {MIN_FRAMES} frames, got {frames}"
