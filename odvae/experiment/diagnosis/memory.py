"""Memory of this computer, before anything is run in it."""

from collections.abc import Iterator

from odvae.config import RunConfig
from odvae.experiment.diagnosis.finding import Finding, gigabytes, ok, warning
from odvae.experiment.hardware import Ram, ram

_LITTLE_BYTES = 2e9  # torch and MLflow alone take about one
_SWAPPED = 0.05  # of the memory: more on the disk is felt


def look_at_memory(_: RunConfig) -> Iterator[Finding]:
    """What a new process could take."""
    yield judge(ram())


def judge(memory: Ram) -> Finding:
    """What to say of it; whether a run fits is another question."""
    said = f"{gigabytes(memory.free_bytes)} of {gigabytes(memory.total_bytes)} free"
    if memory.swapped_bytes:
        said += f", {gigabytes(memory.swapped_bytes)} swapped to the disk"
    close = "close other programs; in a container or a job, ask for more memory"
    if memory.free_bytes < _LITTLE_BYTES:
        return warning("memory", said, close)
    is_tight = memory.free_bytes < memory.total_bytes / 4
    if memory.swapped_bytes > _SWAPPED * memory.total_bytes and is_tight:
        return warning("memory", f"{said}: slow", close)
    return ok("memory", said)
