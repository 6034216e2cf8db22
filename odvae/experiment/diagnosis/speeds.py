"""About a second of work: convolutions on the device, writing to the disk."""

import os
import tempfile
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.experiment.diagnosis.finding import Finding, ok, warning
from odvae.experiment.diagnosis.places import existing
from odvae.experiment.machine import best_convolution_gflops
from odvae.experiment.timing import seconds_of
from odvae.training.precision import Arithmetic, Device, Precision, resolve

_BUDGET_S = 0.6
_TRIES = 3
_FRAMES, _SIDE_PX = 5, 32  # of a clip
_SLOW_PATH = 3.0  # times slower
_SLOW_GFLOPS = 20.0
_CHUNK, _CHUNKS = bytes(4 * 2**20), 8
_WRITING_S = 0.3
_SLOW_MB_PER_S = 20.0


def arithmetic_of(config: RunConfig) -> Arithmetic:
    """Where the run would compute, or could if it asks for what is not there."""
    try:
        return resolve(config.trainer.device, config.trainer.precision)
    except UserError:
        return resolve(Device.auto, Precision.auto)


def look_at_convolutions(config: RunConfig) -> Iterator[Finding]:
    """The best rate of a convolution here, and whether those of the run are far from their own."""
    arithmetic = arithmetic_of(config)
    best_gflops = best_convolution_gflops(arithmetic, budget_s=_BUDGET_S)
    clips = config.train.batch // config.trainer.processes // config.trainer.accumulate
    slower = 1.0
    if clips == 1 and arithmetic.device.type == "cpu":
        slower = _rate(config.model.width, 2, arithmetic) / _rate(config.model.width, 1, arithmetic)
    yield judge_convolutions(best_gflops, arithmetic, slower_alone=slower)


def judge_convolutions(
    best_gflops: float, arithmetic: Arithmetic, *, slower_alone: float
) -> Finding:
    """What to say of a rate; ``slower_alone`` is how much slower one clip is computed than two."""
    where = f"{arithmetic.device.type}, {arithmetic.precision.value}"
    said = f"convolutions at {best_gflops:,.0f} GFLOP/s ({where})"
    if slower_alone > _SLOW_PATH:
        return warning(
            "speed",
            f"{said}, but those of a single clip of the run's width {slower_alone:.0f} times "
            "slower than of two: PyTorch takes another path",
            "train.batch=2, or fewer trainer.accumulate",
        )
    if best_gflops < _SLOW_GFLOPS:
        return warning(
            "speed",
            f"{said}: slow",
            "expect the laptop preset to take hours, or preset=smoke; if this computer should be "
            "faster, look at threads and load above",
        )
    return ok("speed", said)


def look_at_disk(config: RunConfig) -> Iterator[Finding]:
    """How fast a file gets to the disk of the output folder; a place that is full is told above."""
    try:
        with tempfile.TemporaryFile(
            dir=existing(config.output), prefix=".odvae-doctor-", buffering=0
        ) as file:
            began_s, written = time.perf_counter(), 0
            while written < _CHUNKS and time.perf_counter() - began_s < _WRITING_S:
                file.write(_CHUNK)
                os.fsync(file.fileno())
                written += 1
            seconds = time.perf_counter() - began_s
    except OSError:
        return
    yield judge_disk(written * len(_CHUNK) / seconds / 1e6)


def judge_disk(mb_per_s: float) -> Finding:
    """What to say of the rate at which a checkpoint would be written."""
    said = f"output_dir takes {mb_per_s:,.0f} MB a second"
    if mb_per_s < _SLOW_MB_PER_S:
        return warning(
            "disk",
            f"{said}: slow",
            "output_dir=FOLDER on a local disk, or a larger train.checkpoint_every_s",
        )
    return ok("disk", said)


@torch.inference_mode()
def _rate(channels: int, clips: int, arithmetic: Arithmetic) -> float:
    """Clips a second through a 3x3x3 convolution, at best."""
    generator = torch.Generator(arithmetic.device).manual_seed(0)
    shape = (clips, channels, _FRAMES, _SIDE_PX, _SIDE_PX)
    x = torch.empty(shape, device=arithmetic.device).normal_(generator=generator)
    kernel = torch.empty((channels, channels, 3, 3, 3), device=arithmetic.device).normal_(
        generator=generator
    )

    def convolve() -> object:
        with arithmetic.autocast():
            return F.conv3d(x, kernel, padding=1)

    return clips / min(seconds_of(convolve, arithmetic.device) for _ in range(_TRIES))
