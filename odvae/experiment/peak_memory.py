"""How much more memory a call takes than is held before it."""

import ctypes
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # of resident memory; man 5 proc


def peak_growth_mb(function: Callable[[], object], device: torch.device) -> float | None:
    """Call a function once; the most memory in use during it beyond that in use before, in MiB.

    On a GPU the memory of its tensors is counted, on the CPU the resident memory of the process,
    by the kernel's own high-water mark. It counts what was touched, not what was reserved. What
    the allocator kept of earlier calls is handed back to the system first. None: this system
    (not Linux, or a sandbox) does not tell.
    """
    if device.type == "cuda":
        return _on_gpu(function, device)
    return _on_cpu(function)


def _on_gpu(function: Callable[[], object], device: torch.device) -> float:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def _on_cpu(function: Callable[[], object]) -> float | None:
    _hand_back()
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
        before_kb = _resident_peak_kb()
    except OSError:
        return None
    function()
    after_kb = _resident_peak_kb()
    if before_kb is None or after_kb is None:
        return None
    return (after_kb - before_kb) / 2**10


def _resident_peak_kb() -> int | None:
    found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return None if found is None else int(found[1])


def _hand_back() -> None:
    """Let the C library return freed memory, or a call could live on what another has freed."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # of a C library that has no such function
            ctypes.CDLL(None).malloc_trim(0)
