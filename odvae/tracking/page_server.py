"""MLflow's server over one output folder, for the person at this computer alone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import requests

from odvae.errors import UserError
from odvae.tracking.store import Store

HOST = "127.0.0.1"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
_START_S, _STOP_S = 120.0, 10.0


def server_command(store: Store, output: Path, *, port: int) -> list[str]:
    """The command line of MLflow's server over a store whose artifacts are in an output folder."""
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", store.uri),
        *("--artifacts-destination", str(output / "mlartifacts")),
    ]


@contextmanager
def serving(store: Store, output: Path, *, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """MLflow's server, from its first answer until the block is left.

    Raises:
        UserError: the port is in use, or the server does not start.
    """
    check_port(port)
    log = output / "logs" / "page.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as written:
        server = subprocess.Popen(
            server_command(store, output, port=port),
            stdout=written,
            stderr=subprocess.STDOUT,
            env=os.environ | _ENVIRONMENT,
            start_new_session=True,  # it has children, which end with it
        )
    try:
        _wait_for_answer(server, port=port, log=log)
        yield server
    finally:
        _stop(server)


def check_port(port: int) -> None:
    """Raise UserError when something else answers at a port, or it cannot be had."""
    if not 1 <= port <= 65535:
        raise UserError(f"--port must be 1 to 65535, got {port}")
    with socket.socket() as trial:
        # As the server does: a port whose last user has just left is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise UserError(
                f"port {port}: {reason}; name another one: --port {port + 1}"
            ) from error


def _wait_for_answer(server: "subprocess.Popen[bytes]", *, port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"http://{HOST}:{port}/health", timeout=5).ok:
                return
        except requests.RequestException:
            pass  # it does not listen yet
        time.sleep(0.2)
    raise UserError(f"MLflow's server did not start; what it said is in {os.path.relpath(log)}")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        os.killpg(server.pid, SIGTERM)
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
