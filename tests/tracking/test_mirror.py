"""A run's way to the shared MLflow in the background: it never waits, and never fails by it."""

import itertools
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odvae.tracking import RunLog, Status, Store, mirror
from odvae.tracking.address import Refused, Unreachable, shown, trouble
from odvae.tracking.logged import ORIGIN_TAG
from odvae.tracking.upload import Sent, Uploader
from tests.tracking.copies import check_copy, fill, sweep_with_a_run

AWAY = "http://someone:secret@127.0.0.1:9"


@pytest.fixture
def server(database: Store) -> Store:
    return database


@pytest.fixture
def store(outputs: Store, server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    shutil.rmtree(outputs.output / "sync", ignore_errors=True)
    yield outputs
    assert [t.name for t in threading.enumerate() if t.name == "mirror"] == []


def _logged(store: Store, folder: Path, *, name: str = "run") -> str:
    log = store.create(name, tags={}, parent_id=None)
    fill(log, folder)
    log.finish(Status.FINISHED)
    return log.run_id


def test_a_run_arrives_while_it_goes_on(store: Store, server: Store, tmp_path: Path) -> None:
    told: list[str] = []
    with store.mirrored(told.append):
        log = store.create("run", tags={}, parent_id=None)
        fill(log, tmp_path)
        log.flush()
        _wait(lambda: _values(server, log) == 3)
        log.metrics({"train/loss": 0.25}, step=4)
        log.flush()
        _wait(lambda: _values(server, log) == 4)
        log.finish(Status.FINISHED)
    check_copy(store, server, log.run_id)
    assert told == []


def _values(server: Store, log: RunLog) -> int:
    """How many values of a metric a server has, of the steps from 1 on."""
    found = server.find({ORIGIN_TAG: log.run_id})
    return len(server.history(found[0].run_id, "train/loss")) - 1 if found else 0


def _wait(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_server_that_is_away_costs_a_line(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    monkeypatch.chdir(store.output.parent)
    told: list[str] = []
    place = store.output.name
    began_s = time.monotonic()
    with store.mirrored(told.append):
        run_id = _logged(store, tmp_path)
    assert time.monotonic() - began_s < mirror.CLOSE_S
    assert store.get(run_id).status == "FINISHED"
    assert told == [
        "MLFLOW_TRACKING_URI=http://127.0.0.1:9: cannot be used: connection refused; results are "
        f"kept in {place}, and python -m odvae.sync --output-dir {place} uploads them"
    ]


def test_the_next_run_brings_what_an_earlier_one_left(
    store: Store, server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _logged(store, tmp_path, name="before there was a server")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "uploader", _away)
        with store.mirrored(lambda _: None):
            first = _logged(store, tmp_path, name="first")
    assert server.find({ORIGIN_TAG: first}) == []
    with store.mirrored(pytest.fail):
        second = _logged(store, tmp_path, name="second")
        _wait(lambda: [run.status for run in server.find({ORIGIN_TAG: first})] == ["FINISHED"])
    for run_id in (first, second):
        check_copy(store, server, run_id)
    assert server.find({ORIGIN_TAG: before}) == []  # for odvae.sync: nobody has asked for it yet


def _away(_store: Store, uri: str) -> Uploader:
    raise trouble(uri, ConnectionRefusedError("it is not there"))


def test_a_server_that_comes_back_gets_everything(
    store: Store, server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_FIRST_PAUSE_S", 0.05)
    answers = iter([True, True, True, False])
    uploader = Store.uploader

    def connect(one: Store, uri: str) -> Uploader:
        return _away(one, uri) if next(answers) else uploader(one, uri)

    monkeypatch.setattr(Store, "uploader", connect)
    told: list[str] = []
    with store.mirrored(told.append):
        log = store.create("patient", tags={}, parent_id=None)
        fill(log, tmp_path)
        log.flush()
        _wait(lambda: _values(server, log) == 3)  # without another word of the run
        log.finish(Status.FINISHED)
    check_copy(store, server, log.run_id)
    assert len(told) == 1


def test_pauses_grow_and_are_not_cut_short(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(mirror, "_LAST_PAUSE_S", 0.3)
    tries: list[float] = []

    def connect(one: Store, uri: str) -> Uploader:
        tries.append(time.monotonic())
        return _away(one, uri)

    monkeypatch.setattr(Store, "uploader", connect)
    with store.mirrored(lambda _: None):
        log = store.create("impatient", tags={}, parent_id=None)
        while len(tries) < 5:
            log.flush()
            time.sleep(0.01)
    log.finish(Status.FINISHED)
    pauses = [later - sooner for sooner, later in itertools.pairwise(tries)][:4]
    for pause, least in zip(pauses, (0.1, 0.2, 0.3, 0.3), strict=True):
        assert pause >= least - 0.01
    assert len(tries) == 6  # and one at the end


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("away"),
        Refused("not you"),
        OSError(28, "No space left on device"),
        sqlite3.OperationalError("database is locked"),
    ],
)
def test_no_failure_reaches_the_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_uploader: Uploader, _run_id: str, *, wait: bool) -> Sent:
        raise error

    monkeypatch.setattr(Uploader, "upload", fail)
    told: list[str] = []
    with store.mirrored(told.append):
        run_id = _logged(store, tmp_path)
    assert store.get(run_id).status == "FINISHED"
    assert len(told) == 1
    assert "\n" not in told[0]


def test_a_slow_server_is_not_waited_for(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "CLOSE_S", 0.2)
    answer = threading.Event()

    def wait(_uploader: Uploader, _run_id: str, *, wait: bool) -> Sent:
        answer.wait()
        return Sent()

    monkeypatch.setattr(Uploader, "upload", wait)
    told: list[str] = []
    began_s = time.monotonic()
    with store.mirrored(told.append):
        _logged(store, tmp_path)
        logged_s = time.monotonic()
    assert time.monotonic() - logged_s < 1
    assert logged_s - began_s < 10
    assert "not everything is there yet" in told[0]
    answer.set()
    _wait(lambda: all(thread.name != "mirror" for thread in threading.enumerate()))


def test_the_store_itself_is_no_shared_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with store.mirrored(pytest.fail):
        run_id = _logged(store, tmp_path)
    assert store.find({ORIGIN_TAG: run_id}) == []


def test_without_an_address_there_is_no_thread(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with store.mirrored(pytest.fail):
        _logged(store, tmp_path)
        assert [t.name for t in threading.enumerate() if t.name == "mirror"] == []
    assert not (store.output / "sync").exists()


def test_a_sweep_sends_what_its_runs_have_left(store: Store, server: Store, tmp_path: Path) -> None:
    run_id, sweep_id = sweep_with_a_run(store, tmp_path)
    with store.mirrored(pytest.fail):
        store.share(run_id, sweep_id)
    assert check_copy(store, server, run_id).parent_id == check_copy(store, server, sweep_id).run_id


@pytest.mark.parametrize(
    ("uri", "printed"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:p%40ss@host/mlflow?token=x", "https://host/mlflow"),
        ("postgresql+psycopg2://me:p@ss@host:5432/db", "postgresql+psycopg2://host:5432/db"),
        ("sqlite:////somewhere/mlflow.db", "sqlite:////somewhere/mlflow.db"),
        ("databricks", "databricks"),
    ],
)
def test_no_password_is_printed(uri: str, printed: str) -> None:
    assert shown(uri) == printed
    error = trouble(uri, ValueError(f"API request to {uri} failed\nmore"))
    assert str(error).count(printed) == 2
    for secret in ("me:", "p%40ss", "p@ss", "more"):
        assert secret not in str(error)
