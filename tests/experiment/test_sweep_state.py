"""How sweeps stand, read from a store made by hand; ``odvae.status`` over it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from odvae.experiment.abandoned import close_abandoned
from odvae.experiment.progress import JobStatus
from odvae.experiment.sweep_jobs import ListedJob, list_jobs, store_jobs, stored_jobs
from odvae.experiment.sweep_state import JobState, State, Sweeps, factors
from odvae.status import main
from odvae.tracking import RunLog, Status, Store

COMMON = ["preset=smoke", "init=tail"]


@dataclass
class Made:
    """A sweep of two variants and three seeds, whose jobs come into being one by one."""

    output: Path
    store: Store
    key: str
    sweep: RunLog
    jobs: list[ListedJob]
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        return self.output / "logs" / self.key[:8]

    def run(self, number: int, *, parent: bool = True, name: str | None = None) -> RunLog:
        """The run of a job begins; its lock exists, and is free: nobody works on it."""
        lock = self.lock(number)
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        return self.store.create(
            name or self.jobs[number].name,
            tags={"odvae.key": f"{self.key[:8]}{number}00000", "odvae.kind": "run"},
            parent_id=self.sweep.run_id if parent else None,
        )

    def lock(self, number: int) -> Path:
        return self.output / "runs" / f"{self.key[:8]}{number}000" / "lock"

    def hold(self, lock: Path) -> None:
        """Be the process that works on it."""
        self.held.enter_context(FileLock(lock))

    def tell(self, number: int, status: JobStatus) -> None:
        """What the process of a job writes."""
        status.write(self.jobs[number].status_file(self.folder))

    def look(self) -> list[JobState]:
        sweeps = Sweeps(self.store, self.output)
        newest = sweeps.runs()[0]
        assert newest.run_id == self.sweep.run_id
        return sweeps.look(newest).jobs


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    """One store for all: a new one takes seconds."""
    output = tmp_path_factory.mktemp("outputs")
    return output, Store.open(output)


@pytest.fixture
def made(opened: tuple[Path, Store]) -> Iterator[Made]:
    output, store = opened
    key = secrets.token_hex(32)
    tags = {"odvae.kind": "sweep", "odvae.key": key}
    sweep = store.create("variant=1,4 seed=0,1,2", tags=tags, parent_id=None)
    lines = [[*COMMON, f"variant={v}", f"seed={s}"] for v in (1, 4) for s in (0, 1, 2)]
    jobs = list_jobs(lines, [str(line) for line in lines], earlier=[])
    store_jobs(sweep, jobs)
    world = Made(output, store, key, sweep, jobs)
    world.folder.mkdir(parents=True)
    (world.folder / "lock").touch()
    with world.held:
        yield world
    for run in store.runs():
        if run.status == "RUNNING":
            store.resume(run.run_id).finish(Status.KILLED)


def test_every_state_is_told(made: Made) -> None:
    made.hold(made.folder / "lock")
    made.run(0).finish(Status.FINISHED)
    failed = made.run(1)
    failed.tags({"error": "UserError: too hot"})
    failed.finish(Status.FAILED)
    made.run(2).finish(Status.KILLED)
    working = made.run(3)
    made.hold(made.lock(3))
    made.tell(3, JobStatus(stage="train", done=12, total=70, run_id=working.run_id))
    made.run(4)  # and its process dies
    states = [(each.state, each.detail) for each in made.look()]
    assert states == [
        (State.finished, ""),
        (State.failed, "UserError: too hot"),
        (State.killed, ""),
        (State.running, "train 12/70"),
        (State.stale, ""),
        (State.missing, ""),
    ]


def test_jobs_that_did_not_become_runs(made: Made) -> None:
    made.hold(made.folder / "lock")
    made.tell(0, JobStatus(ending="failed: odvae: no such video"))
    made.tell(1, JobStatus(stage="starting"))
    made.tell(2, JobStatus(ending="ended by signal 9", by_signal=True))
    first, second, third, *_ = made.look()
    assert (third.state, third.detail) == (State.killed, "ended by signal 9")
    assert (first.state, first.detail) == (State.failed, "failed: odvae: no such video")
    assert (second.state, second.detail) == (State.running, "starting")
    made.held.close()  # the sweep dies with its job
    assert made.look()[1].state is State.missing


def test_a_run_of_another_sweep_counts(made: Made) -> None:
    """It was found finished: neither its name nor its parent tell of this sweep."""
    run = made.run(0, parent=False, name="typed otherwise")
    run.finish(Status.FINISHED)
    assert made.look()[0].state is State.missing
    made.tell(0, JobStatus(run_id=run.run_id, already_finished=True))
    assert made.look()[0].state is State.finished
    made.jobs[0].status_file(made.folder).unlink()  # somebody tidied up; the sweep's list remembers
    lines = [list(job.overrides) for job in made.jobs]
    earlier = [ListedJob("", (), made.jobs[0].digest, run.run_id)]
    store_jobs(made.sweep, list_jobs(lines, [str(line) for line in lines], earlier=earlier))
    assert made.look()[0].state is State.finished
    assert stored_jobs(made.store, made.sweep.run_id)[0].run_id == run.run_id


def test_only_runs_of_dead_processes_are_closed(made: Made) -> None:
    dead, working = made.run(0), made.run(1)
    made.hold(made.lock(1))
    elsewhere = made.run(2)
    made.lock(2).unlink()  # of an output folder that is not this one
    closed = close_abandoned(made.store, made.output)
    assert {run.run_id for run in closed} == {dead.run_id, made.sweep.run_id}
    status = {log: made.store.get(log.run_id).status for log in (dead, working, elsewhere)}
    assert list(status.values()) == ["KILLED", "RUNNING", "RUNNING"]
    assert made.store.get(dead.run_id).tags["error"] == "its process has died"
    assert close_abandoned(made.store, made.output) == []


def test_the_command_shows_a_grid(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.run(0).finish(Status.FINISHED)
    failed = made.run(4)
    failed.tags({"error": "UserError: too hot"})
    failed.finish(Status.FAILED)
    made.run(5)
    assert main(["--output-dir", str(made.output)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][0] == "stale" and "variant=1,4" in lines[0]
    assert ["seed", "variant=1", "variant=4"] in lines
    assert ["0", "finished", "missing"] in lines
    assert ["1", "missing", "failed"] in lines
    assert ["2", "missing", "stale"] in lines
    assert any("too" in line and "hot" in line for line in lines)

    assert main(["--output-dir", str(made.output), "--mend"]) == 0
    told = capsys.readouterr().out
    assert "2 stale marked as killed" in told
    assert made.store.get(made.sweep.run_id).status == "KILLED"

    assert main(["--output-dir", str(made.output), "--json"]) == 0
    sweep = json.loads(capsys.readouterr().out)[0]
    assert (sweep["id"], sweep["state"]) == (made.sweep.run_id, "killed")
    states = ["finished", "missing", "missing", "missing", "failed", "killed"]
    assert [job["state"] for job in sweep["jobs"]] == states


def test_sweeps_are_picked(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--output-dir", str(made.output)]
    tags = {"odvae.kind": "sweep", "odvae.key": "other"}
    other = made.store.create("init=tail,random", tags=tags, parent_id=None)
    made.store.create("init=tail", tags={}, parent_id=other.run_id).finish(Status.FINISHED)
    assert main(where) == 0
    told = capsys.readouterr().out
    assert (
        told.index("init=tail,random") < told.index(" earlier (--all") < told.index("variant=1,4")
    )
    wanted = {"init=tail,random": other.run_id, made.sweep.run_id[:8]: made.sweep.run_id}
    for words, run_id in wanted.items():
        assert main([*where, "--sweep", words, "--json"]) == 0
        assert [each["id"] for each in json.loads(capsys.readouterr().out)] == [run_id]
    assert main([*where, "--sweep", "nothing"]) == 2
    assert "no sweep is called 'nothing'" in capsys.readouterr().err


def test_there_may_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output-dir", str(tmp_path / "new")]) == 0
    assert "there are no sweeps yet" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()  # looking makes nothing
    assert main(["--output-dir", str(tmp_path / "new"), "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_factors_are_what_differs() -> None:
    lines = [["a=1", "b=2"], ["a=1", "b=3"], ["a=1", "b=3", "c=4"]]
    jobs = list_jobs(lines, ["x", "y", "z"], earlier=[])
    assert factors(jobs) == {"b": ["2", "3", "3"], "c": ["", "", "4"]}
