"""A real server on a real PostgreSQL, killed while a sweep logs to it: nothing lost or doubled."""

import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from odvae.tracking import Store
from odvae.tracking.logged import ORIGIN_TAG
from tests.command.commands import QUICK
from tests.tracking.copies import files, rows
from tests.tracking.servers import MlflowServer, postgres, query

pytestmark = pytest.mark.slow

RUN = (*QUICK, "init=tail", "train.checkpoint_every_s=0", "train.log_every_steps=1")
SWEEP = ("-m", *RUN, "variant=1,2,3,4", "train.steps=40", "hydra.launcher.parallel=2")
PATIENCE_S = 900
_METRICS = "select key, value, timestamp, step, is_nan from metrics where run_uuid = %s"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as uri:
        yield uri


@pytest.fixture
def server(database: str, tmp_path: Path) -> Iterator[MlflowServer]:
    made = MlflowServer(database, tmp_path)
    yield made
    made.kill()


def _start(folder: Path, server: MlflowServer, *words: str) -> "subprocess.Popen[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ODVAE_")}
    environment |= {"OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": server.uri}
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(folder: Path, server: MlflowServer, *words: str) -> str:
    """Run a command, and return what it says."""
    out, err = _start(folder, server, *words).communicate(timeout=PATIENCE_S)
    assert err == ""
    return " ".join(out.split())


def _wait(condition: Callable[[], bool], sweep: "subprocess.Popen[str]") -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition() and sweep.poll() is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def _journalled(folder: Path) -> int:
    """How many values the runs have logged."""
    if not (folder / "outputs" / "mlflow.db").exists():
        return 0
    with closing(sqlite3.connect(folder / "outputs" / "mlflow.db")) as journal:
        try:
            return int(journal.execute("select count(*) from metrics").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # there is no such table yet


def _arrived(database: str) -> int:
    return int(query(database, "select count(*) from metrics")[0][0])


def _check(folder: Path, server: MlflowServer, database: str) -> int:
    """The server holds every run of a folder once, and all of it; returns how many values."""
    store, total = Store.open(folder / "outputs"), 0
    shared = Store.at(server.uri, folder / "outputs")
    for run in store.runs():
        (copy,) = shared.find({ORIGIN_TAG: run.run_id})
        assert (copy.name, copy.status, copy.started) == (run.name, run.status, run.started)
        assert (copy.params, copy.datasets) == (run.params, run.datasets)
        here = sorted((*row[:4], bool(row[4])) for row in rows(store, run.run_id))
        assert sorted(query(database, _METRICS, copy.run_id)) == here
        for name in run.metrics:
            assert shared.history(copy.run_id, name) == store.history(run.run_id, name)
        if run.parent_id is not None:
            assert copy.parent_id is not None
            assert shared.get(copy.parent_id).tags[ORIGIN_TAG] == run.parent_id
        for name, content in files(store, run.run_id).items():
            assert shared.artifact(copy.run_id, name).read_bytes() == content
        total += len(here)
    assert len(shared.runs()) == len(store.runs())
    return total


def test_a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    tmp_path: Path, server: MlflowServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    server.start()
    sweep = _start(tmp_path, server, "odvae.run", *SWEEP)
    kills = 0
    arrived = 0
    while kills < 4:
        _wait(lambda: _arrived(database) > arrived, sweep)  # noqa: B023 (called at once)
        time.sleep(random.uniform(0, 1))
        if sweep.poll() is not None:
            break
        server.kill()
        kills += 1
        if kills == 4:  # the last time, until the sweep has ended
            break
        logged = _journalled(tmp_path)
        _wait(lambda: _journalled(tmp_path) > logged + 20, sweep)  # noqa: B023
        server.start()
        arrived = _arrived(database)
    out, err = sweep.communicate(timeout=PATIENCE_S)
    assert (sweep.returncode, err) == (0, ""), out
    arrived, logged = _arrived(database), _journalled(tmp_path)
    print(f"{kills} kills; when the sweep ended, {arrived} of {logged} values were there")
    if kills == 4:
        assert "results are kept in outputs, and python -m odvae.sync uploads" in " ".join(
            out.split()
        )
        server.start()
    told = _run(tmp_path, server, "odvae.sync")
    print(told)
    assert _check(tmp_path, server, database) == logged == _arrived(database)
    sent = re.search(r"\((\d+) metric values?, ", told)
    assert sent is not None
    assert int(sent[1]) == logged - arrived
    assert "sent 0 runs (0 metric values, 0 files); 5 runs were" in _run(
        tmp_path, server, "odvae.sync"
    )


def test_a_server_that_was_never_there_gets_all_of_it_later(
    tmp_path: Path, server: MlflowServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    there = _arrived(database) if query(database, _TABLES)[0][0] else 0
    told = _run(tmp_path, server, "odvae.run", *RUN, "variant=4", "train.steps=4")
    assert told.count("cannot be used: connection refused; results are kept in outputs") == 1
    (run,) = Store.open(tmp_path / "outputs").runs()
    assert run.status == "FINISHED"
    server.start()
    assert "sent 1 run (" in _run(tmp_path, server, "odvae.sync")
    assert _arrived(database) == there + _journalled(tmp_path)
    assert "sent 0 runs (0 metric values, 0 files); 1 run was" in _run(
        tmp_path, server, "odvae.sync"
    )


_TABLES = "select count(*) from information_schema.tables where table_name = 'metrics'"
