"""scikit-video 1.1.11 on NumPy 2 and SciPy without ``scipy.misc``: all that it misses, in one file.

Only modules of ``skvideo`` see the names below; NumPy and SciPy stay as they are for everything
else. The tests of this file fail once scikit-video works by itself; then nothing of it is needed.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from PIL import Image


@cache
def measure() -> ModuleType:
    """The module ``skvideo.measure``, whose psnr, ssim, strred and niqe work.

    They take arrays, so neither ffmpeg nor ffprobe is needed. The first call takes seconds.
    """
    misc = _Extended(ModuleType("scipy.misc"), {"imresize": _imresize})
    with _in_place_of_scipy_misc(misc):
        import skvideo.measure  # type: ignore[import-untyped, unused-ignore]

    replacements = {
        "np": _Extended(np, {"int": int, "float": float}),
        "scipy": _Extended(scipy, {"misc": misc}),
        "gen_gauss_window": _gaussian_window,
    }
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "skvideo":
            own = vars(module)
            own.update({key: new for key, new in replacements.items() if key in own})
    found: ModuleType = skvideo.measure
    return found


class _Extended(ModuleType):
    """A module with further names; everything else is what the module itself says."""

    def __init__(self, module: ModuleType, further: Mapping[str, object]) -> None:
        super().__init__(module.__name__)
        self._module = module
        vars(self).update(further)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def _in_place_of_scipy_misc(misc: ModuleType) -> Iterator[None]:
    """While scikit-video is imported: SciPy's own is empty, warns, and is gone from SciPy 2."""
    before = sys.modules.get("scipy.misc")
    sys.modules["scipy.misc"] = misc
    try:
        yield
    finally:
        if before is None:
            del sys.modules["scipy.misc"]
        else:
            sys.modules["scipy.misc"] = before


def _imresize(
    image: npt.NDArray[np.float32], factor: float, interp: str, mode: str
) -> npt.NDArray[np.float32]:
    """What SciPy's function did in mode "F": Pillow's antialiased bicubic, no change of range."""
    if (interp, mode) != ("bicubic", "F"):
        raise ValueError(f"imresize is bicubic in mode F, got {interp} in mode {mode}")
    height, width = image.shape
    size = (int(width * factor), int(height * factor))
    picture = Image.fromarray(np.asarray(image, dtype=np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def _gaussian_window(reach_px: int, sigma_px: float) -> npt.NDArray[np.float64]:
    """Gaussian weights that sum to 1, in float64 as they were under NumPy 1.

    NumPy 2 computes scikit-video's own in float32, which moves NIQE by a thousandth.
    """
    window = np.exp(-0.5 * (np.arange(-reach_px, reach_px + 1) / sigma_px) ** 2)
    return np.asarray(window / window.sum())
