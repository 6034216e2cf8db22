"""What is said of a computer: packages, GPU, CPU, memory, folders."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from odvae.compose import compose_run
from odvae.config import RunConfig
from odvae.experiment.diagnosis import cpu, gpu, memory, places
from odvae.experiment.diagnosis.finding import Finding, State, gigabytes, ok, problem
from odvae.experiment.diagnosis.known_bad import (
    KNOWN_BAD,
    cudnn_version,
    known_bad,
    look_at_known_bad,
)
from odvae.experiment.diagnosis.packages import (
    look_at_packages,
    look_at_python,
    look_at_torchvision,
    unmet,
)
from odvae.experiment.diagnosis.places import Place
from odvae.experiment.hardware import Ram
from odvae.training.config import TrainerConfig
from odvae.training.precision import Device

GB = 10**9
GPU = gpu.Gpu(name="A GPU", count=2, free_bytes=70 * GB, total_bytes=80 * GB, has_bf16=True)


@pytest.fixture(scope="module")
def smoke() -> RunConfig:
    return compose_run(["preset=smoke"])


def test_what_is_not_ok_has_a_remedy() -> None:
    with pytest.raises(ValueError, match="remedy"):
        problem("x", "it is broken", "")
    with pytest.raises(ValueError, match="remedy"):
        Finding("x", State.ok, "fine", "do this")
    assert ok("x", "fine").remedy == ""


def test_sizes_are_readable() -> None:
    assert (gigabytes(12.34 * GB), gigabytes(45_678_000)) == ("12.3 GB", "46 MB")


def test_this_computer(smoke: RunConfig) -> None:
    for look in (cpu.look_at_cpu, memory.look_at_memory, gpu.look_at_gpu, look_at_known_bad):
        assert all(finding.said for finding in look(smoke))
    assert {one.subject for one in places.look_at_places(smoke)} >= {"output_dir", "temp", "cache"}


def test_this_python_and_these_packages_are_fit(smoke: RunConfig) -> None:
    """Or no test would have come this far."""
    for look in (look_at_python, look_at_packages, look_at_torchvision):
        (finding,) = look(smoke)
        assert finding.state is State.ok, finding


@pytest.mark.parametrize(
    ("wanted", "have", "expected"),
    [
        ("torch>=2.10", "2.10.0", None),
        ("torch>=2.10", "2.15.0+cpu", None),
        ("torch>=2.10", "2.16.0.dev20260101", None),
        ("torch>=2.10", "2.9.1", "2.9.1"),
        ("mlflow>=3.5,<4", "4.0.0", "4.0.0"),
        ("av>=15", None, "missing"),
        ("submitit>=1.5; extra == 'cluster'", None, None),
        ("tomli>=2; python_version < '3.11'", None, None),
    ],
)
def test_requirements_are_read_as_pip_does(
    wanted: str, have: str | None, expected: str | None
) -> None:
    found = [instead for _, instead in unmet([wanted], lambda name: have)]
    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize("error", [RuntimeError("operator torchvision::nms does not exist"), None])
def test_a_torchvision_of_another_torch(
    error: RuntimeError | None, smoke: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    if error is None:
        monkeypatch.setitem(sys.modules, "torchvision.ops", None)
    else:
        ops = ModuleType("torchvision.ops")

        def nms(*_: object) -> None:
            raise error

        vars(ops)["nms"] = nms
        monkeypatch.setitem(sys.modules, "torchvision.ops", ops)
    (finding,) = look_at_torchvision(smoke)
    assert finding.state is State.problem and "do not work together" in finding.said
    assert "torch torchvision" in finding.remedy


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"torch": "2.9.0+cu128", "cudnn": "9.10.2"}, [State.problem]),
        ({"torch": "2.9.0", "cudnn": "9.21.0"}, [State.problem]),
        ({"torch": "2.9.1", "cudnn": "9.10.2"}, [State.warning]),
        ({"torch": "2.9.1", "cudnn": "9.15.0"}, []),
        ({"torch": "2.11.0", "cudnn": "9.13.0"}, [State.warning]),
        ({"torch": "2.15.0", "cudnn": "9.20.0"}, []),
        ({"torch": "2.8.0", "cudnn": "9.10.2"}, [State.problem]),
        ({"torch": "2.8.0", "cudnn": "9.7.1"}, []),
        ({"torch": "2.9.0+cpu"}, []),
    ],
)
def test_known_bad_pairs(versions: Mapping[str, str], expected: list[State]) -> None:
    found = list(known_bad(versions.get))
    assert [finding.state for finding in found] == expected
    assert all("3D convolutions" in finding.said for finding in found)


def test_versions_of_cudnn_are_read() -> None:
    assert [cudnn_version(number) for number in (91002, 91501, 90800)] == [
        "9.10.2",
        "9.15.1",
        "9.8.0",
    ]
    assert all(row.remedy for row in KNOWN_BAD)


def test_a_gpu() -> None:
    def said(seen: gpu.Gpu, trainer: TrainerConfig | None = None) -> Finding:
        return gpu.judge(seen, trainer or TrainerConfig(), driver="580.1")

    assert said(GPU) == ok("gpu", "2 x A GPU, 70.0 GB of 80.0 GB free, bf16, driver 580.1")
    slice_of_one = said(replace(GPU, name="A GPU MIG 1g.10gb", count=1, has_bf16=False))
    assert slice_of_one.state is State.ok
    assert "MIG" in slice_of_one.said and "fp32" in slice_of_one.said
    taken = said(replace(GPU, free_bytes=30 * GB))
    assert taken.state is State.warning and "hold 50.0 GB" in taken.said
    broken = replace(GPU, failure="no kernel image is available")
    assert said(broken).state is State.problem and "no kernel image" in said(broken).said
    assert said(GPU, TrainerConfig(devices=4)).state is State.problem
    assert said(replace(GPU, free_bytes=0), TrainerConfig(device=Device.cpu)).state is State.ok


def test_no_gpu() -> None:
    def state(
        driver: str | None = None,
        built_for: str | None = "13.0",
        visible: str | None = None,
        device: Device = Device.auto,
    ) -> Finding:
        trainer = TrainerConfig(device=device)
        return gpu.absent(trainer, driver=driver, built_for=built_for, visible=visible)

    assert state() == ok("gpu", "none, CPU only")
    assert state(device=Device.cuda).state is State.problem
    cpu_build = state("580.1", None)
    assert cpu_build.state is State.warning and "for CPUs only" in cpu_build.said
    assert "CUDA 13.0" in state("410.1").said and "driver" in state("410.1").remedy
    assert state("580.1", visible="").remedy == "unset CUDA_VISIBLE_DEVICES"
    assert state("580.1", device=Device.cpu).state is State.ok
    assert state("580.1", device=Device.cuda).state is State.problem


def test_cores_and_threads() -> None:
    def judged(*, limit: float | None = None, threads: int = 8, load: float = 0.5) -> Finding:
        return cpu.judge("A CPU", cores=8, limit=limit, threads=threads, load=load)

    assert judged().state is State.ok
    assert judged(limit=16).state is State.ok and "container" not in judged(limit=16).said
    limited = judged(limit=2.5)
    assert limited.state is State.warning and limited.remedy == "export OMP_NUM_THREADS=2"
    assert judged(limit=2.5, threads=2).state is State.ok
    assert judged(limit=0.5, threads=1).state is State.ok
    assert judged(load=13).state is State.warning


def test_memory() -> None:
    def state(free_gb: float, swapped_gb: float = 0) -> State:
        there = Ram(
            total_bytes=16 * GB, free_bytes=int(free_gb * GB), swapped_bytes=int(swapped_gb * GB)
        )
        return memory.judge(there).state

    assert (state(8), state(1.5)) == (State.ok, State.warning)
    assert (state(8, 2), state(3, 2), state(3, 0.1)) == (State.ok, State.warning, State.ok)


def test_a_folder_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "made" / "yet"
    assert places.existing(folder) == tmp_path
    place = places.look(folder)
    assert place.refusal == "" and place.free_bytes > 0
    assert not list(tmp_path.iterdir())
    assert places.look(Path("/proc")).refusal  # nobody may write there, root included


def test_folders() -> None:
    def state(place: Place, *, needed: bool) -> tuple[State, str]:
        finding = places.judge("x", Path("/x"), place, remedy="another", needed=needed)
        return finding.state, finding.remedy

    plenty, little = Place(free_bytes=GB), Place(free_bytes=GB // 2)
    assert state(plenty, needed=True) == (State.ok, "")
    assert state(little, needed=True) == (State.warning, "free some, or another")
    assert state(replace(plenty, refusal="no"), needed=True) == (State.problem, "another")
    assert state(replace(plenty, refusal="no"), needed=False) == (State.warning, "another")
    assert places.judge_shared_memory(64 * 2**20).state is State.warning  # Docker's default
    assert places.judge_shared_memory(GB).state is State.ok
