"""Launching jobs: who gets which GPU, what a death touches, who is asked to stop."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from odvae.experiment.launch import PARENT_RUN_VARIABLE, FixedJobs, LaunchedJob, launch
from odvae.experiment.progress import STATUS_FILE_VARIABLE, JobStatus
from odvae.experiment.resources import GpuQueue

INTERRUPTED = 130


@dataclass
class FakeStarted:
    """Ends with a code after so many looks; stops when asked to, unless it is deaf."""

    looks: int
    code: int
    is_deaf: bool = False
    told: list[str] = field(default_factory=list)

    def poll(self) -> int | None:
        self.looks -= 1
        return self.code if self.looks < 0 else None

    def interrupt(self) -> None:
        self.told.append("interrupt")
        if not self.is_deaf:
            self.looks, self.code = 0, INTERRUPTED

    def kill(self) -> None:
        self.told.append("kill")
        self.looks, self.code = 0, -9


@dataclass
class FakeBackend:
    """Starts jobs by name, and notes what they were given."""

    jobs: dict[str, FakeStarted]
    outlives: str = ""
    poll_s: float = 0.001
    gpus: dict[str, list[str]] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    environments: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def start(
        self,
        job: LaunchedJob,
        *,
        threads: int,
        gpus: Sequence[str],
        environment: Mapping[str, str],
    ) -> FakeStarted:
        self.gpus[job.name], self.threads[job.name] = list(gpus), threads
        self.environments[job.name] = environment
        return self.jobs[job.name]


@pytest.fixture
def make_jobs(tmp_path: Path) -> Callable[[int], list[LaunchedJob]]:
    def make(count: int) -> list[LaunchedJob]:
        return [
            LaunchedJob(str(n), [f"seed={n}"], tmp_path / f"{n}.log", tmp_path / f"{n}.json")
            for n in range(count)
        ]

    return make


def _launch(source: FixedJobs, backend: FakeBackend, *, parallel: int, devices: int = 1) -> str:
    console = Console(record=True, width=200, file=io.StringIO())
    launch(
        source,
        backend=backend,
        parallel=parallel,
        parent_id="parent",
        console=console,
        devices=devices,
    )
    return console.export_text()


def test_a_freed_gpu_goes_to_the_next_job(
    make_jobs: Callable[[int], list[LaunchedJob]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.launch.visible_gpus", lambda: ["a", "b"])
    looks = {"0": 9, "1": 1, "2": 1, "3": 1}  # the first takes as long as all others together
    backend = FakeBackend({name: FakeStarted(many, 0) for name, many in looks.items()})
    _launch(FixedJobs(make_jobs(4)), backend, parallel=2)
    assert backend.gpus == {"0": ["a"], "1": ["b"], "2": ["b"], "3": ["b"]}


def test_gpus_are_shared_evenly_only_when_they_must_be() -> None:
    queue = GpuQueue(["a", "b", "c"])
    assert queue.take(2) == ["a", "b"]
    assert queue.take(2) == ["c", "a"]  # one more than there are: never the same one twice in a job
    queue.give_back(["a", "b"])
    assert queue.take(1) == ["b"]  # free; the others have a user each
    assert set(queue.take(9)) == {"a", "b", "c"}  # all there are
    assert GpuQueue([]).take(2) == []


def test_a_death_touches_no_other(make_jobs: Callable[[int], list[LaunchedJob]]) -> None:
    jobs = make_jobs(5)
    codes = {"0": 0, "1": 1, "2": -9, "3": 0, "4": 0}
    backend = FakeBackend({name: FakeStarted(2, code) for name, code in codes.items()})
    told = _launch(FixedJobs(jobs), backend, parallel=2)
    assert {job.name: job.returncode for job in jobs} == codes
    assert told.count(": finished") == 3
    assert "2: ended by signal 9" in told and "1: failed: it said nothing" in told
    assert JobStatus.read(jobs[2].status_file).ending == "ended by signal 9"
    assert JobStatus.read(jobs[0].status_file).ending == ""
    assert set(backend.threads.values()) == {backend.threads["0"]}
    environment = backend.environments["3"]
    assert environment[STATUS_FILE_VARIABLE] == str(jobs[3].status_file)
    assert environment[PARENT_RUN_VARIABLE] == "parent"


class Ladder(FixedJobs):
    """Gives a job only once the one before has ended; stops the second at its second step."""

    def __init__(self, jobs: Sequence[LaunchedJob]) -> None:
        super().__init__(jobs)
        self.is_free = True
        self.ends: list[tuple[str, int | None]] = []

    def next(self) -> LaunchedJob | None:
        if not self.is_free:
            return None
        self.is_free = False
        return super().next()

    def watch(self, job: LaunchedJob) -> bool:
        return job.name == "1"

    def ended(self, job: LaunchedJob) -> None:
        self.is_free = True
        self.ends.append((job.name, job.returncode))


def test_a_source_decides_as_it_goes(make_jobs: Callable[[int], list[LaunchedJob]]) -> None:
    jobs = make_jobs(3)
    backend = FakeBackend({str(n): FakeStarted(5, 0) for n in range(3)})
    source = Ladder(jobs)
    told = _launch(source, backend, parallel=3)
    assert source.ends == [("0", 0), ("1", INTERRUPTED), ("2", 0)]
    assert backend.jobs["1"].told == ["interrupt"]
    assert [job.stopped for job in jobs] == [False, True, False]
    assert "1: stopped early" in told


class CtrlC(FixedJobs):
    """Ctrl-C as soon as a job has ended."""

    def ended(self, job: LaunchedJob) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_launch_ends_its_jobs(
    make_jobs: Callable[[int], list[LaunchedJob]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.launch._PATIENCE_S", 0.2)
    started = [FakeStarted(1, 0), FakeStarted(99, 0), FakeStarted(10**6, 0, is_deaf=True)]
    backend = FakeBackend({str(n): one for n, one in enumerate(started)})
    with pytest.raises(KeyboardInterrupt):
        _launch(CtrlC(make_jobs(4)), backend, parallel=3)
    assert [one.told for one in started] == [[], ["interrupt"], ["interrupt", "kill"]]


def test_jobs_of_a_cluster_go_on(make_jobs: Callable[[int], list[LaunchedJob]]) -> None:
    started = [FakeStarted(1, 0), FakeStarted(99, 0)]
    backend = FakeBackend(dict(zip("01", started, strict=True)), outlives="scancel them")
    with pytest.raises(KeyboardInterrupt):
        _launch(CtrlC(make_jobs(2)), backend, parallel=2)
    assert started[1].told == []
