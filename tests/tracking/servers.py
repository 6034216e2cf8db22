"""A real PostgreSQL and a real MLflow server on it, on this computer alone."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

_INSTALLED = Path("/usr/lib/postgresql")
_USERS = ("postgres", "nobody")  # it does not run as root
_START_S = 120.0


def free_port() -> int:
    """One that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def postgres_programs() -> Path:
    """The folder of Debian's newest PostgreSQL, installed if that is allowed; else skips."""
    if not list(_INSTALLED.glob("*/bin/initdb")) and os.getuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "--yes", "--no-install-recommends", "postgresql"],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            check=False,
        )
    found = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is not installed and cannot be: apt-get install postgresql")
    pytest.importorskip("psycopg2", reason="needs psycopg2-binary")
    return found[-1].parent


@contextmanager
def postgres() -> Iterator[str]:
    """A fresh database; gives its URI."""
    programs, port = postgres_programs(), free_port()
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="odvae-postgres-"))
    if user is not None:
        shutil.chown(folder, user)

    def start(program: str, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [str(programs / program), "-D", str(folder / "data"), *words],
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    trusting = ("--username=odvae", "--auth=trust", "--encoding=UTF8", "--no-locale")
    assert start("initdb", *trusting).wait() == 0
    server = start("postgres", "-h", "127.0.0.1", "-p", str(port), "-k", str(folder))
    try:
        uri = f"postgresql://odvae@127.0.0.1:{port}/postgres"
        _wait_for(lambda: query(uri, "select 1") == [(1,)], server)
        yield uri
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder)


def _unprivileged() -> str | None:
    if os.getuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _USERS if name in known)


def query(uri: str, question: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database answers."""
    import psycopg2

    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute(question, values)
        return list(cursor.fetchall())


class MlflowServer:
    """MLflow's server on a database; may be killed and started again."""

    def __init__(self, database: str, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", database.replace("postgresql:", "postgresql+psycopg2:")),
            *("--artifacts-destination", str(folder / "artifacts")),
        ]
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns once it answers."""
        quiet = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=os.environ | quiet,
                start_new_session=True,
            )
        self._process = process
        _wait_for(lambda: requests.get(f"{self.uri}/health", timeout=5).ok, process)

    def kill(self) -> None:
        """End it and its children at once, whatever they are at."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _wait_for(answers: Callable[[], bool], server: "subprocess.Popen[bytes]") -> None:
    import psycopg2

    deadline_s = time.monotonic() + _START_S
    while True:
        try:
            if answers():
                return
        except (requests.RequestException, psycopg2.OperationalError):
            pass  # it does not listen yet
        assert server.poll() is None, "the server has ended"
        assert time.monotonic() < deadline_s, "the server does not answer"
        time.sleep(0.2)
