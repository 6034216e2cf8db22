"""Runs worth copying, a client that fails on demand, and what a copy has to be."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from odvae.tracking import LoggedRun, RunLog, Status, Store
from odvae.tracking.logged import NOTE_TAG, ORIGIN_TAG, PARENT_TAG

Row = tuple[str, float, int, int, bool]  # key, value, time, step, whether it is not a number


class Fault(Enum):
    """What goes wrong with one call."""

    before = "it does not get there"
    after = "its answer is lost"


class FaultyClient:
    """MLflow's client, of which one call fails."""

    def __init__(self, client: MlflowClient, *, at: int = -1, fault: Fault = Fault.before) -> None:
        self.tracking_uri = client.tracking_uri
        self.calls: list[str] = []
        self._client, self._at, self._fault = client, at, fault

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            fails = len(self.calls) == self._at
            self.calls.append(name)
            if fails and self._fault is Fault.before:
                raise MlflowException("timed out")
            answer = getattr(self._client, name)(*given, **named)
            if fails:
                raise MlflowException("Connection reset by peer")
            return answer

        return call


def another_server(server: Store, name: str) -> Store:
    """An empty one in the same database, which is made sooner."""
    experiment_id = server.client.create_experiment(
        name, artifact_location=(server.output / "mlartifacts").as_uri()
    )
    return Store(server.client, server.client.get_experiment(experiment_id), server.output)


def behind(server: Store, client: FaultyClient) -> Store:
    """The same server, spoken to by this client."""
    experiment = server.client.get_experiment(server.experiment_id)
    return Store(client, experiment, server.output)  # type: ignore[arg-type]


def sweep_with_a_run(store: Store, folder: Path) -> list[str]:
    """A finished run and the sweep above it; ids, the run's first."""
    sweep = store.create("a sweep", tags={"odvae.kind": "sweep"}, parent_id=None)
    run = store.create("variant=4", tags={"odvae.kind": "run"}, parent_id=sweep.run_id)
    fill(run, folder)
    run.finish(Status.FINISHED)
    sweep.text("a,b\n", "summary.csv")
    sweep.finish(Status.FINISHED)
    return [run.run_id, sweep.run_id]


def fill(log: RunLog, folder: Path) -> None:
    """Something of every kind."""
    log.params({"train.steps": 20, "model.width": 32})
    log.dataset("videos", "a" * 64, source="/data", profile={"train_videos": 3})
    for step in range(4):
        log.metrics({"train/loss": 1 / (step + 1), "train/kl": 0.5}, step)
    log.metrics({"nan": math.nan, "up": math.inf, "down": -math.inf}, step=3)
    log.flush()
    log.metrics({"train/loss": 0.5}, step=3)  # once more: the last one counts
    file = folder / "weights.bin"
    file.write_bytes(bytes(range(256)))
    log.file(file, "vae/deep")
    log.text("{}", "config.json")
    log.describe("It\n\n" + log.picture("plot 1.png"))


def check_copy(store: Store, server: Store, run_id: str) -> LoggedRun:
    """Everything of a run is on a server, once and in order; returns it as it is there."""
    (copy,) = server.find({ORIGIN_TAG: run_id})
    run = store.get(run_id)
    assert (copy.name, copy.status, copy.started) == (run.name, run.status, run.started)
    assert (copy.params, copy.datasets) == (run.params, run.datasets)
    _check_tags(run, copy, server)
    assert rows(server, copy.run_id) == rows(store, run_id)
    assert latest(server, copy.run_id) == latest(store, run_id)
    assert files(server, copy.run_id) == files(store, run_id)
    ends = [s.client.get_run(i).info.end_time for s, i in ((store, run_id), (server, copy.run_id))]
    assert ends[0] == ends[1]
    return copy


def _check_tags(run: LoggedRun, copy: LoggedRun, server: Store) -> None:
    mapped = (PARENT_TAG, NOTE_TAG, ORIGIN_TAG)
    plain = [
        {name: value for name, value in one.tags.items() if name not in mapped}
        for one in (run, copy)
    ]
    assert plain[0] == plain[1]
    if run.parent_id is not None:
        assert copy.parent_id is not None
        assert server.get(copy.parent_id).tags[ORIGIN_TAG] == run.parent_id
    if NOTE_TAG in run.tags:
        assert copy.tags[NOTE_TAG] == run.tags[NOTE_TAG].replace(run.run_id, copy.run_id)
        assert run.run_id not in copy.tags[NOTE_TAG]


def rows(store: Store, run_id: str) -> list[Row]:
    """All values of all metrics, in the order in which they were written."""
    return _query(
        store,
        "select key, value, timestamp, step, is_nan from metrics where run_uuid = ? order by rowid",
        run_id,
    )


def latest(store: Store, run_id: str) -> list[Row]:
    """The values that MLflow's page shows."""
    return _query(
        store,
        "select key, value, timestamp, step, is_nan from latest_metrics where run_uuid = ? "
        "order by key",
        run_id,
    )


def files(store: Store, run_id: str) -> dict[str, bytes]:
    """The contents of all artifacts, by path."""
    folder = store.output / "mlartifacts" / run_id / "artifacts"
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def _query(store: Store, question: str, run_id: str) -> list[Row]:
    with closing(sqlite3.connect(store.output / "mlflow.db")) as database:
        return database.execute(question, (run_id,)).fetchall()
