"""The folders that a run writes to: whether they can be written, and how much fits in."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from odvae.config import RunConfig
from odvae.experiment.diagnosis.finding import Finding, gigabytes, ok, problem, warning
from odvae.metrics.weights import cache_folder

_SHARED_MEMORY = Path("/dev/shm")  # where processes of one computer exchange gradients
_LITTLE_BYTES = 1e9
_LITTLE_SHARED_BYTES = 256e6


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder, and what keeps a run from writing there."""

    free_bytes: int
    refusal: str = ""  # empty: it can be written


def look_at_places(config: RunConfig) -> Iterator[Finding]:
    """Results, temporary files and, where they are downloaded to, weights."""
    remedy = "output_dir=FOLDER: one that this user may write, with space"
    yield judge("output_dir", config.output, look(config.output), remedy=remedy, needed=True)
    try:
        scratch = Path(tempfile.gettempdir())
    except FileNotFoundError:
        yield problem("temp", "no folder for temporary files can be written", "export TMPDIR=...")
    else:
        yield judge("temp", scratch, look(scratch), remedy="export TMPDIR=FOLDER", needed=True)
    cache = cache_folder()
    remedy = "export XDG_CACHE_HOME=FOLDER, or put weights into a folder named in ODVAE_WEIGHTS"
    yield judge("cache", cache, look(cache), remedy=remedy, needed=False)
    if config.trainer.devices > 1 and torch.cuda.is_available() and _SHARED_MEMORY.is_dir():
        yield judge_shared_memory(shutil.disk_usage(_SHARED_MEMORY).free)


def existing(folder: Path) -> Path:
    """The folder itself, or the innermost one around it that exists."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def look(folder: Path) -> Place:
    """Write a file there, or to where the folder would be made, and remove it."""
    there = existing(folder)
    free_bytes = shutil.disk_usage(there).free
    try:
        with tempfile.TemporaryFile(dir=there, prefix=".odvae-doctor-") as file:
            file.write(b"written")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Place(free_bytes=free_bytes, refusal=_told(error))
    return Place(free_bytes=free_bytes)


def judge(subject: str, folder: Path, place: Place, *, remedy: str, needed: bool) -> Finding:
    """What to say of a folder; one that is not ``needed`` is no problem."""
    said = f"{folder}: {gigabytes(place.free_bytes)} free"
    is_little = place.free_bytes < _LITTLE_BYTES
    remedy = f"free some, or {remedy}" if is_little else remedy
    if place.refusal:
        refused = f"{said}; it cannot be written: {place.refusal}"
        return (problem if needed else warning)(subject, refused, remedy)
    return warning(subject, f"{said}, which is little", remedy) if is_little else ok(subject, said)


def judge_shared_memory(free_bytes: int) -> Finding:
    """What to say of the memory that processes which train together share."""
    said = f"{_SHARED_MEMORY}: {gigabytes(free_bytes)} free, for processes that train together"
    if free_bytes < _LITTLE_SHARED_BYTES:
        return warning("shared memory", said, "docker run --shm-size=1g, or --ipc=host")
    return ok("shared memory", said)


def _told(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "no space left, or no room for more files"
    return error.strerror or str(error)
