"""What a run computes on: what it is called, and how much memory it has."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from odvae.experiment.cgroup import memory_limits

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Where a run computes."""

    name: str  # the GPU's, or the CPU's with the number of its threads that compute
    memory_bytes: int  # all of a GPU's; else the RAM that was free when first asked for


@dataclass(frozen=True, kw_only=True)
class Ram:
    """Memory of this computer, or what of it this process may use."""

    total_bytes: int
    free_bytes: int  # what a new process could take
    swapped_bytes: int = 0  # of all processes, on the disk instead


def hardware(device: torch.device) -> Hardware:
    """The present one."""
    return _hardware(device, torch.get_num_threads())


@cache  # runs whose costs are told together are told of one memory
def _hardware(device: torch.device, threads: int) -> Hardware:
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        return Hardware(name=gpu.name, memory_bytes=gpu.total_memory)
    name = f"{processor() or 'CPU'}, {threads} thread{'s' if threads > 1 else ''}"
    return Hardware(name=name, memory_bytes=ram().free_bytes)


def processor() -> str:
    """The CPU's model; empty where nothing tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def ram() -> Ram:
    """As it is now; where the system does not say what is free, all of it."""
    told = _meminfo()
    all_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    total = told.get("MemTotal", all_bytes)
    free = told.get("MemAvailable", total)
    for group in memory_limits():
        total, free = min(total, group.limit_bytes), min(free, group.free_bytes)
    swapped = told.get("SwapTotal", 0) - told.get("SwapFree", 0)
    return Ram(total_bytes=total, free_bytes=free, swapped_bytes=swapped)


def _meminfo() -> dict[str, int]:
    """Bytes by the kernel's names; empty where there is no such kernel."""
    if not _MEMINFO.is_file():
        return {}
    lines = (line.split() for line in _MEMINFO.read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 2**10 for line in lines if line[-1] == "kB"}
