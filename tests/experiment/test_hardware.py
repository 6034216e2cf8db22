"""What a run computes on: names, memory, and what a container allows of them."""

from pathlib import Path

import pytest
import torch

from odvae.experiment import hardware as module
from odvae.experiment.cgroup import MemoryLimit, cpu_limit, memory_limits
from odvae.experiment.hardware import Ram, hardware, ram

CPU = torch.device("cpu")


def _files(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_the_name_is_that_of_the_processor_and_its_threads() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert hardware(CPU).name.endswith(", 1 thread")
        torch.set_num_threads(2)
        assert hardware(CPU).name.endswith(", 2 threads")
    finally:
        torch.set_num_threads(before)
    assert 2**28 < hardware(CPU).memory_bytes <= ram().total_bytes


def test_runs_are_told_of_one_memory() -> None:
    assert hardware(CPU) == hardware(CPU)  # though some of it was taken in between


def test_groups_of_version_2(tmp_path: Path) -> None:
    """The tightest of the groups counts; files that are only cached make room."""
    membership = tmp_path / "membership"
    membership.write_text("0::/outer/inner\n")
    _files(tmp_path / "outer", memory__max="1000", memory__current="700", cpu__max="150000 100000")
    _files(
        tmp_path / "outer" / "inner",
        memory__max="max",
        memory__current="600",
        memory__stat="anon 100\ninactive_file 500",
        cpu__max="max 100000",
    )
    assert memory_limits(tmp_path, membership) == [MemoryLimit(1000, 300)]
    assert cpu_limit(tmp_path, membership) == 1.5
    _files(tmp_path / "outer" / "inner", memory__max="800")
    assert memory_limits(tmp_path, membership)[0] == MemoryLimit(800, 700)


def test_groups_of_version_1_in_a_container(tmp_path: Path) -> None:
    """A container is told its name on the host, and sees its own group at the top."""
    membership = tmp_path / "membership"
    membership.write_text("9:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n")
    _files(
        tmp_path / "memory",
        memory__limit_in_bytes="4000",
        memory__usage_in_bytes="5000",
        memory__stat="total_inactive_file 200",
    )
    _files(tmp_path / "cpu", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert memory_limits(tmp_path, membership) == [MemoryLimit(4000, 0)]
    assert cpu_limit(tmp_path, membership) == 0.5
    _files(tmp_path / "cpu", cpu__cfs_quota_us="-1")
    assert cpu_limit(tmp_path, membership) is None


def test_without_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limits(tmp_path, tmp_path / "none") == []
    assert cpu_limit(tmp_path, tmp_path / "none") is None


def test_memory_is_what_the_container_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(
        "MemTotal: 8000 kB\nMemAvailable: 6000 kB\nHugePages_Total: 0\n"
        "SwapTotal: 500 kB\nSwapFree: 100 kB\n"
    )
    monkeypatch.setattr(module, "_MEMINFO", meminfo)
    monkeypatch.setattr(module, "memory_limits", list)
    kb = 2**10
    assert ram() == Ram(total_bytes=8000 * kb, free_bytes=6000 * kb, swapped_bytes=400 * kb)
    monkeypatch.setattr(module, "memory_limits", lambda: [MemoryLimit(3000 * kb, 1000 * kb)])
    assert ram() == Ram(total_bytes=3000 * kb, free_bytes=1000 * kb, swapped_bytes=400 * kb)
