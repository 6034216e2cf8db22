"""What a container or a batch system allows this process, by Linux's control groups (1 and 2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

# Of either version: the limit, what is used, and the line of memory.stat that counts cached files,
# which make room for anything else.
_MEMORY = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class MemoryLimit:
    """Of one group that this process is in."""

    limit_bytes: int
    free_bytes: int


def memory_limits(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> list[MemoryLimit]:
    """Limits of all groups that the process is in; groups without one say what nobody has."""
    limits = []
    for folder in _folders("memory", mount, membership):
        for limit_file, used_file, cached in _MEMORY:
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is not None and used is not None:
                used -= _counted(folder / "memory.stat", cached)
                limits.append(MemoryLimit(limit, max(0, limit - used)))
    return limits


def cpu_limit(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> float | None:
    """Processors' worth of time that the process may use; None: all that it may run on."""
    limits = []
    for folder in _folders("cpu", mount, membership):
        of_both = _text(folder / "cpu.max").split()
        quota, period = of_both if len(of_both) == 2 else ("", "")
        quota = quota or _text(folder / "cpu.cfs_quota_us")
        period = period or _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _folders(controller: str, mount: Path, membership: Path) -> Iterator[Path]:
    """The groups of the process and those around them, as far as they can be seen from here."""
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = mount / controller if controllers else mount
        folder = top / path.lstrip("/")
        yield folder
        for outer in folder.parents:
            if not outer.is_relative_to(top):
                break
            yield outer


def _counted(file: Path, name: str) -> int:
    lines = (line.split() for line in _text(file).splitlines())
    return next((int(line[1]) for line in lines if line[:1] == [name]), 0)


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdigit() else None  # max, or -1: there is no limit


def _text(file: Path) -> str:
    """Empty where there is no such file."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""
