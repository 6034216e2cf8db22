"""PSNR, SSIM, ST-RRED and NIQE of scikit-video: numbers of other people's code beside our own.

All of them look at luma only. Clips are (3, T, H, W) in [-1, 1].
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics.pixels import unit_range
from odvae.metrics.psnr import IDENTICAL_DB
from odvae.metrics.skvideo_compat import measure
from odvae.metrics.ssim import WINDOW_PX

Luma: TypeAlias = npt.NDArray[np.float64]  # (T, H, W, 1) on [0, 255]

BT601 = (0.299, 0.587, 0.114)  # weights of R', G', B'


def luma(clip: Tensor) -> Luma:
    """Luma of a clip as scikit-video wants it: BT.601, full range [0, 255], not rounded.

    Args:
        clip: (3, T, H, W) in [-1, 1]; clamped.

    Returns:
        (T, H, W, 1) in float64; NaN where a pixel is not finite. Of a grey clip it is the grey.
    """
    red, green, blue = 255 * unit_range(clip.detach())
    planes = BT601[0] * red + BT601[1] * green + BT601[2] * blue
    array: Luma = planes.unsqueeze(-1).cpu().numpy()
    return array


@dataclass(frozen=True)
class CrossCheck:
    """One of scikit-video's metrics of a clip."""

    name: str
    score: Callable[[Luma, Luma], float]  # of original and reconstruction
    min_frames: int
    min_size_px: int

    def refusal(self, clip_shape: tuple[int, int, int]) -> str | None:
        """Why clips (T, H, W) cannot be scored, in one line; None when they can."""
        frames, height, width = clip_shape
        if frames < self.min_frames:
            return f"{self.name} needs clips of at least {self.min_frames} frames, got {frames}"
        if min(height, width) < self.min_size_px:
            least = f"at least {self.min_size_px} px"
            return f"{self.name} needs frames of {least}, got {height}x{width}"
        return None

    def __call__(self, original: Tensor, reconstruction: Tensor) -> float:
        """Score one clip; both are (3, T, H, W) in [-1, 1]. NaN where one is not finite.

        Raises:
            UserError: the clip is too small or too short.
        """
        _, frames, height, width = original.shape
        refusal = self.refusal((frames, height, width))
        if refusal is not None:
            raise UserError(refusal)
        a, b = luma(original), luma(reconstruction)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return math.nan
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # deprecated matrices, ill-conditioned covariances
            return self.score(a, b)


def _psnr_db(original: Luma, reconstruction: Luma) -> float:
    """Mean over frames; scikit-video's infinity of identical frames counts as ours does."""
    by_frame = measure().psnr(original, reconstruction)
    return float(np.minimum(by_frame, IDENTICAL_DB).mean())


def _ssim(original: Luma, reconstruction: Luma) -> float:
    """Mean over frames, at full size.

    Left to itself, scikit-video first shrinks frames whose shorter side is 384 px or more, and
    fails where a side leaves the wrong remainder.
    """
    return float(measure().ssim(original, reconstruction, scaleFix=False).mean())


def _strred(original: Luma, reconstruction: Luma) -> float:
    """ST-RRED of frames 0 and 1, 2 and 3, ...; the last of an odd number is not looked at.

    It is a product: where the first frames of all pairs are exact, it is 0 whatever the others are.

    NaN where a frame's wavelet coefficients have no covariance of full rank, as those of a plane
    gradient: scikit-video then divides by zero, or adds complex numbers to real ones.
    """
    try:
        _, strred, _ = measure().strred(original, reconstruction)
    except (np.linalg.LinAlgError, TypeError):
        return math.nan
    return float(strred)


def _niqe(_: Luma, reconstruction: Luma) -> float:
    return float(measure().niqe(reconstruction).mean())


def _niqe_of_original(original: Luma, _: Luma) -> float:
    return float(measure().niqe(original).mean())


STRRED_MIN_SIZE_PX = 41  # below, its subband holds one block of 3x3, and every score is 0
NIQE_MIN_SIZE_PX = 194  # scikit-video asks for more than two patches of 96 px

CROSSCHECKS = (
    CrossCheck("skvideo_psnr_db_luma", _psnr_db, 1, 1),
    CrossCheck("skvideo_ssim_luma", _ssim, 1, WINDOW_PX),
    CrossCheck("skvideo_strred_luma", _strred, 2, STRRED_MIN_SIZE_PX),
    CrossCheck("skvideo_niqe_luma", _niqe, 1, NIQE_MIN_SIZE_PX),
    CrossCheck("skvideo_niqe_luma_original", _niqe_of_original, 1, NIQE_MIN_SIZE_PX),
)
"""The metrics of ``metrics.crosscheck=true``. NIQE looks at one clip only, so it says little
without that of the original."""
