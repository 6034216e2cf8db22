"""How many jobs there is room for."""

import os

import pytest
import torch

from odvae.experiment import resources
from odvae.experiment.hardware import Ram

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six cores, 64 GiB, no GPU, no container."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(resources, "cpu_limit", lambda: None)
    monkeypatch.setattr(resources, "ram", lambda: Ram(total_bytes=64 * GIB, free_bytes=0))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_as_many_jobs_as_cores() -> None:
    assert resources.parallel_jobs(100) == 6
    assert resources.parallel_jobs(4) == 4
    assert resources.parallel_jobs(100, devices=4) == 1


@pytest.mark.parametrize(("limit", "expected"), [(3.5, 3), (0.5, 1), (16.0, 6)])
def test_a_containers_share_of_processors(
    monkeypatch: pytest.MonkeyPatch, limit: float, expected: int
) -> None:
    monkeypatch.setattr(resources, "cpu_limit", lambda: limit)
    assert resources.cores() == resources.parallel_jobs(100) == expected


@pytest.mark.parametrize(("memory_bytes", "expected"), [(9 * GIB, 2), (GIB, 1)])
def test_a_containers_share_of_memory(
    monkeypatch: pytest.MonkeyPatch, memory_bytes: int, expected: int
) -> None:
    monkeypatch.setattr(resources, "ram", lambda: Ram(total_bytes=memory_bytes, free_bytes=0))
    assert resources.parallel_jobs(100) == expected
