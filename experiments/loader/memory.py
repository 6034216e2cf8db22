"""What a loader's process holds while clips go through it."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bare import BATCH

from odvae.data import Clips, prefetch

CLIPS, EVERY = 2000, 200


@dataclass(frozen=True)
class Memory:
    """Of the whole process, after so many clips."""

    clips: int
    resident_mb: float
    allocated_mb: float


def measure_memory(clips: Clips, *, workers: int) -> Iterable[Memory]:
    """Memory after every so many clips."""
    batches = prefetch(clips, 0, end_step=CLIPS // BATCH, batch=BATCH, workers=workers)
    for done, _ in enumerate(batches, start=1):
        if done * BATCH % EVERY == 0:
            yield Memory(done * BATCH, resident_mb(), allocated_mb())


def resident_mb() -> float:
    """Memory that this process holds now (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 2**10


def allocated_mb() -> float:
    """The part of it that malloc has handed out: without gaps that it holds for later (glibc)."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = _Mallinfo
    info = libc.mallinfo2()
    return (int(info.uordblks) + int(info.hblkhd)) / 2**20


class _Mallinfo(ctypes.Structure):
    """What mallinfo2 answers: see mallinfo(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )
