"""Pictures, video and facts that a run leaves behind. Clips are (3, T, H, W) in [-1, 1]."""

import platform
import resource
import sys
from importlib.metadata import distributions
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from odvae.data import to_uint8, write_video
from odvae.experiment.hardware import processor
from odvae.training.precision import Arithmetic

_GRID_FRAMES = 5
_DIFFERENCE_GAIN = 2.0
_VIDEO_FPS = 8.0
_MIN_VIDEO_SIDE_PX = 256  # small clips are enlarged, so that one can see something


def grid_png(original: Tensor, reconstruction: Tensor, path: Path, *, title: str) -> None:
    """Draw frames of a clip: original, reconstruction, difference (grey is none)."""
    numbers = torch.linspace(0, original.shape[1] - 1, min(_GRID_FRAMES, original.shape[1]))
    frames = numbers.round().long().unique()
    difference = (_DIFFERENCE_GAIN * (reconstruction.clamp(-1, 1) - original)).clamp(-1, 1)
    rows = {
        "original": original,
        "reconstruction": reconstruction,
        f"difference x{_DIFFERENCE_GAIN:.0f}": difference,
    }
    figure = Figure(figsize=(2.1 * len(frames) + 0.4, 6.6), layout="constrained")
    axes = figure.subplots(len(rows), len(frames), squeeze=False)
    for axis, number in zip(axes[0], frames, strict=True):
        axis.set_title(f"frame {int(number)}", fontsize=9)
    for row, (label, clip) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row, to_uint8(clip[:, frames]), strict=True):
            axis.imshow(image, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(label)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)


def side_by_side_mp4(original: Tensor, reconstruction: Tensor, path: Path) -> None:
    """Write original and reconstruction next to each other as a video."""
    pair = torch.cat([original, reconstruction.clamp(-1, 1)], dim=-1)  # (3, T, H, 2 W)
    factor = max(1, -(-_MIN_VIDEO_SIDE_PX // pair.shape[-2]))
    enlarged = pair.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    write_video(path, enlarged, fps=_VIDEO_FPS)


def environment(arithmetic: Arithmetic) -> dict[str, object]:
    """The machine and the versions that a number comes from."""
    metadata = [d.metadata for d in distributions()]  # each is a file that is read and parsed
    gpu = torch.cuda.get_device_name() if arithmetic.device.type == "cuda" else None
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": processor(),
        "gpu": gpu,
        "precision": arithmetic.precision.value,
        "threads": torch.get_num_threads(),
        "packages": dict(sorted((one["Name"], one["Version"]) for one in metadata)),
    }


def peak_memory_mb(arithmetic: Arithmetic) -> float:
    """The most memory in use so far: on the GPU, or of this whole process on the CPU."""
    if arithmetic.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
