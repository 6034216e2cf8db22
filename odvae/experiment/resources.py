"""What this computer has for the jobs of a sweep: cores, memory, a queue of GPUs."""

import os
from collections.abc import Sequence

import torch

from odvae.experiment.cgroup import cpu_limit
from odvae.experiment.hardware import ram

_MEMORY_PER_JOB_BYTES = 4 * 2**30  # beyond it, fewer jobs run at a time
_MAX_PARALLEL = 8


def cores() -> int:
    """Processor cores that this process may use, a container's limit counted; at least 1."""
    bound_to = hasattr(os, "sched_getaffinity")
    there = len(os.sched_getaffinity(0)) if bound_to else os.cpu_count() or 1
    limit = cpu_limit()
    return there if limit is None else max(1, min(there, int(limit)))


def parallel_jobs(jobs: int, *, devices: int = 1) -> int:
    """How many run at a time, with so many GPUs or processes each: as many as there is room for."""
    if torch.cuda.is_available():
        return max(1, min(jobs, torch.cuda.device_count() // devices))
    by_memory = ram().total_bytes // _MEMORY_PER_JOB_BYTES
    return max(1, min(jobs, cores() // devices, by_memory // devices, _MAX_PARALLEL))


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may hand out."""
    if not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]


class GpuQueue:
    """GPUs that wait for jobs: the one that fewest jobs use comes first, then the longest free.

    A job so has GPUs of its own unless more run at a time than GPUs carry; then they share evenly.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        self._users = dict.fromkeys(gpus, 0)  # in order of the queue

    def take(self, count: int) -> list[str]:
        """So many different GPUs, or all where there are fewer."""
        taken = sorted(self._users, key=self._users.__getitem__)[:count]  # ties keep their order
        for gpu in taken:
            self._users[gpu] += 1
        return taken

    def give_back(self, gpus: Sequence[str]) -> None:
        """Put GPUs of a job that has ended at the end of the queue."""
        for gpu in gpus:
            self._users[gpu] = self._users.pop(gpu) - 1
