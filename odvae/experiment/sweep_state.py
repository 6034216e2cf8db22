"""How the jobs of sweeps stand: from the store, their status files, and who holds their locks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from odvae.experiment.abandoned import is_abandoned, sweep_folder
from odvae.experiment.progress import JobStatus
from odvae.experiment.sweep_jobs import ListedJob, stored_jobs
from odvae.tracking import LoggedRun, Status, Store


class State(Enum):
    """How a job, or its sweep, stands."""

    finished = "finished"
    running = "running"
    failed = "failed"
    killed = "killed"  # or interrupted
    stale = "stale"  # running, says the store; its process has died
    missing = "missing"  # it has no run yet


@dataclass(frozen=True)
class JobState:
    """How a job stands."""

    job: ListedJob
    state: State
    detail: str  # how far it is, or why it failed
    run_id: str | None
    log: Path


@dataclass(frozen=True)
class SweepState:
    """How a sweep and its jobs stand."""

    run: LoggedRun
    state: State
    jobs: list[JobState]

    @property
    def counts(self) -> str:
        """How many jobs are how."""
        counted = Counter(job.state for job in self.jobs)
        return ", ".join(f"{counted[state]} {state.value}" for state in State if counted[state])


_ENDED = {
    Status.FINISHED.value: State.finished,
    Status.FAILED.value: State.failed,
    Status.KILLED.value: State.killed,
}


class Sweeps:
    """The sweeps of a store."""

    def __init__(self, store: Store, output: Path) -> None:
        self._store, self._output = store, output
        self._runs = {run.run_id: run for run in store.runs()}  # newest first

    def runs(self) -> list[LoggedRun]:
        """The sweeps' own runs, newest first."""
        return [run for run in self._runs.values() if run.tags.get("odvae.kind") == "sweep"]

    def look(self, sweep: LoggedRun) -> SweepState:
        """How a sweep stands."""
        by_name = self._children(sweep)
        folder = sweep_folder(self._output, sweep.tags.get("odvae.key", ""))
        state = self._state(sweep)
        listed = stored_jobs(self._store, sweep.run_id) or _listed_by_runs(by_name)
        jobs = [self._job(job, folder, by_name, is_alive=state is State.running) for job in listed]
        return SweepState(sweep, state, jobs)

    def _children(self, sweep: LoggedRun) -> dict[str, LoggedRun]:
        """Runs of a sweep by name: what was typed for the job. The newest of a name."""
        children = (run for run in self._runs.values() if run.parent_id == sweep.run_id)
        return {run.name: run for run in reversed(list(children))}

    def _job(
        self, job: ListedJob, folder: Path, by_name: Mapping[str, LoggedRun], *, is_alive: bool
    ) -> JobState:
        file = job.status_file(folder)
        status = JobStatus.read(file)
        # A run may belong to another sweep that had it first; its name is then that sweep's.
        known = (self._runs.get(run_id) for run_id in (status.run_id, job.run_id) if run_id)
        run = next((run for run in known if run is not None), by_name.get(job.name))
        if run is not None:
            state, detail = self._state(run), run.tags.get("error", "")
            if state is State.running:
                detail = _progress(status) if status.run_id == run.run_id else ""
        elif status.ending:
            state = State.killed if status.by_signal else State.failed
            detail = status.ending
        elif is_alive and file.is_file():
            state, detail = State.running, status.stage
        else:
            state, detail = State.missing, ""
        return JobState(job, state, detail, run.run_id if run else None, job.log(folder))

    def _state(self, run: LoggedRun) -> State:
        if run.status in _ENDED:
            return _ENDED[run.status]
        return State.stale if is_abandoned(self._store, run, self._output) else State.running


def _progress(status: JobStatus) -> str:
    return f"{status.stage} {status.done}/{status.total}" if status.total else status.stage


def _listed_by_runs(by_name: Mapping[str, LoggedRun]) -> list[ListedJob]:
    """The jobs of a sweep that stored no list: those that became runs."""
    return [
        ListedJob(name, tuple(name.split()), digest="", run_id=run.run_id)
        for name, run in by_name.items()
        if not name.endswith(" (training)")
    ]


def factors(jobs: Sequence[ListedJob]) -> dict[str, list[str]]:
    """Fields in which jobs differ, with the value of each job; empty where it was not given."""
    given = [dict(word.partition("=")[::2] for word in job.overrides) for job in jobs]
    names = dict.fromkeys(name for fields in given for name in fields)
    columns = {name: [fields.get(name, "") for fields in given] for name in names}
    return {name: values for name, values in columns.items() if len(set(values)) > 1}
