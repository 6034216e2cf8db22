"""Processor cores, and the threads that torch computes with on them."""

import math
import os
from collections.abc import Iterator

import torch

from odvae.config import RunConfig
from odvae.experiment.cgroup import cpu_limit
from odvae.experiment.diagnosis.finding import Finding, ok, warning
from odvae.experiment.hardware import processor
from odvae.experiment.resources import cores

_CROWDED = 1.5  # processes that want to compute, for each core


def look_at_cpu(_: RunConfig) -> Iterator[Finding]:
    """What this process may use, and who else does."""
    yield judge(
        processor() or "CPU",
        cores=cores(),
        limit=cpu_limit(),
        threads=torch.get_num_threads(),
        load=os.getloadavg()[0],
    )


def judge(name: str, *, cores: int, limit: float | None, threads: int, load: float) -> Finding:
    """What to say of a processor.

    Args:
        cores: that the process may run on.
        limit: how many cores' worth of time it gets, None for all of it.
        threads: that torch computes with.
        load: processes that compute or wait for it, on average over a minute.
    """
    said = f"{name}, {cores} core{'s' if cores > 1 else ''}"
    usable = cores
    if limit is not None and limit < cores:
        usable = max(1, math.floor(limit))
        said += f", of which a container allows the time of {limit:g}"
    said += f"; torch computes with {threads} thread{'s' if threads > 1 else ''}, load {load:.1f}"
    if threads > usable:
        return warning(
            "cpu", f"{said}: threads wait for each other", f"export OMP_NUM_THREADS={usable}"
        )
    if load > _CROWDED * cores:
        return warning(
            "cpu",
            f"{said}: others compute as well",
            "expect runs to take longer, and measure no speed now; top names the others",
        )
    return ok("cpu", said)
