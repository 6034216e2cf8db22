"""What is said of where runs are recorded: the folder's database, the server."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from odvae.compose import compose_run
from odvae.config import RunConfig
from odvae.experiment.diagnosis import store
from odvae.experiment.diagnosis.finding import Finding, State
from odvae.tracking import Status, Store


@cache
def _smoke() -> RunConfig:
    return compose_run(["preset=smoke"])


def _config(folder: Path) -> RunConfig:
    return replace(_smoke(), output_dir=str(folder))


# -- the store ---------------------------------------------------------------------------------


def _store(folder: Path) -> Finding:
    (finding,) = store.look_at_store(_config(folder))
    return finding


def test_no_store_yet(tmp_path: Path) -> None:
    finding = _store(tmp_path / "outputs")
    assert finding.state is State.ok and "none yet" in finding.said
    assert not list(tmp_path.iterdir())


def test_a_sound_store(tmp_path: Path) -> None:
    log = Store.open(tmp_path).create("a run", tags={}, parent_id=None)
    log.finish(Status.FINISHED)
    finding = _store(tmp_path)
    assert finding.state is State.ok and "1 run, can be written" in finding.said


def test_a_transaction_is_written_and_changes_nothing(tmp_path: Path) -> None:
    """SQLite counts changes of a file in its bytes 24 to 27, and once more in 92 to 95."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 7")
        database.execute("CREATE TABLE runs (lifecycle_stage)")
    before = path.read_bytes()
    store._write_in_place(path)
    after = path.read_bytes()
    changed = {n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
    assert changed and changed <= {*range(24, 28), *range(92, 96)}


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all " * 300)
    finding = _store(tmp_path)
    assert finding.state is State.problem and "damaged" in finding.said
    assert "move it away" in finding.remedy


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (lifecycle_stage)")
        database.executemany("INSERT INTO runs VALUES (?)", [("active" * 50,)] * 200)
    content = bytearray(path.read_bytes())
    content[8192:12288] = bytes([255]) * 4096
    path.write_bytes(content)
    finding = _store(tmp_path)
    assert finding.state is State.problem and "damaged" in finding.said


def test_a_database_that_another_program_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_BUSY_S", 0.05)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("CREATE TABLE runs (lifecycle_stage)")
        other.execute("BEGIN EXCLUSIVE")
        finding = _store(tmp_path)
    assert finding.state is State.problem and "locked" in finding.said


def test_a_database_of_another_mlflow(tmp_path: Path) -> None:
    Store.open(tmp_path)
    older = tmp_path / "older"
    older.mkdir()
    shutil.copy(tmp_path / "mlflow.db", older)
    with closing(sqlite3.connect(older / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '728d730b5ebd'")
    finding = _store(older)
    assert finding.state is State.problem and "out-of-date" in finding.said
    assert "mlflow db upgrade sqlite:////" in finding.remedy


# -- the server --------------------------------------------------------------------------------


@contextmanager
def _server(status: int, version: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(version.encode() if self.path == "/version" else b"OK")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://me:secret@127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _asked(uri: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    found = list(store.look_at_server(_config(folder)))
    assert "secret" not in str(found)
    return found


@pytest.mark.parametrize(
    ("status", "version", "state", "said"),
    [
        (200, "3.17.2", State.ok, "MLflow 3.17.2 answers"),
        (200, "2.22.0", State.warning, "MLflow 2.22.0, here 3."),
        (200, "<html>", State.warning, "not as an MLflow server"),
        (404, "", State.warning, "not as an MLflow server (HTTP 404)"),
        (401, "", State.warning, "refuses"),
    ],
)
def test_a_server(
    status: int,
    version: str,
    state: State,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with _server(status, version) as uri:
        (finding,) = _asked(uri, tmp_path, monkeypatch)
    assert finding.state is state and said in finding.said


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(200, "") as uri:
        pass
    (finding,) = _asked(uri, tmp_path, monkeypatch)
    assert finding.state is State.warning and "connection refused" in finding.said
    assert "odvae sync" in finding.remedy
    (finding,) = _asked("sqlite:////x/mlflow.db", tmp_path, monkeypatch)
    assert finding.state is State.ok
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert not list(store.look_at_server(_config(tmp_path)))
