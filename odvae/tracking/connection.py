"""MLflow's clients, made quiet; of a folder's own database, or of whatever an address names."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from odvae.errors import UserError
from odvae.tracking.address import reason, trouble
from odvae.tracking.journal import DATABASE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.exceptions import MlflowException

EXPERIMENT = "odvae"
ARTIFACTS = "mlartifacts"

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_FIRST_ANSWER_S, _ANSWER_S = "10", "120"
# Nothing here is reported to anyone; and tries that we do not know of would store things twice.
_OURS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
# Read by MLflow at import or at each request; a value the user has set stands.
_ENVIRONMENT = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    _TIMEOUT: _FIRST_ANSWER_S,
}
_LOUD = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,
    "mlflow.store.db.utils": logging.CRITICAL,  # it raises what it tells
}


def open_folder(root: Path) -> tuple["MlflowClient", "Experiment"]:
    """The store of an output folder, made if it is not there.

    Raises:
        UserError: its database cannot be used.
        OSError, sqlite3.Error: it cannot be written.
    """
    # MLflow fails when two processes initialise one fresh database.
    with FileLock(root / "mlflow.lock"), _made_whole(root):
        with closing(sqlite3.connect(root / DATABASE)) as database:
            # Readers and a writer no longer wait for each other; the file remembers it.
            database.execute("PRAGMA journal_mode=WAL")
        _quiet_mlflow()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            client = MlflowClient(f"sqlite:///{root / DATABASE}")
            return client, _experiment(client, root / ARTIFACTS)
        except MlflowException as error:
            raise UserError(
                f"output_dir={root}: its {DATABASE} cannot be used: {reason(error)}"
            ) from error


@contextmanager
def _made_whole(root: Path) -> Iterator[None]:
    """MLflow cannot use a database whose making was cut short: that one is made anew.

    While the mark is there nobody has stored anything yet: a store is given away without it.
    """
    unfinished = root / f"{DATABASE}.unfinished"
    if unfinished.exists():
        for part in ("-wal", "-shm", "-journal", ""):
            (root / f"{DATABASE}{part}").unlink(missing_ok=True)
    elif not (root / DATABASE).exists():
        unfinished.touch()
    yield
    unfinished.unlink(missing_ok=True)


def open_shared(uri: str, root: Path) -> tuple["MlflowClient", "Experiment"]:
    """What an address names, used from an output folder.

    Raises Unreachable when it does not answer, or not as an MLflow that may be used.
    """
    _quiet_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if uri.partition(":")[0].partition("+")[0] in _DATABASES:
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / "mlflow.lock"):  # as above
                client = MlflowClient(uri)
                return client, _experiment(client, root / ARTIFACTS)
        client = MlflowClient(uri)
        found = client, _experiment(client, None)
    except (MlflowException, SQLAlchemyError, ImportError) as error:  # the last: of a driver
        raise trouble(uri, error) from error
    if os.environ[_TIMEOUT] == _FIRST_ANSWER_S:  # it is there: a large file takes it a while
        os.environ[_TIMEOUT] = _ANSWER_S
    return found


def status_of(error: "MlflowException") -> int:
    """The HTTP status that says the same."""
    return int(error.get_http_status_code())  # type: ignore[no-untyped-call]


def _quiet_mlflow() -> None:
    os.environ.update(_OURS)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  (its import configures the loggers below)

    for name, level in _LOUD.items():
        logging.getLogger(name).setLevel(level)


def _experiment(client: "MlflowClient", artifacts: Path | None) -> "Experiment":
    """The experiment of all runs; made if it is not there, perhaps by another process meanwhile."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        # A database's default would be a folder below the one this process happens to start in.
        location = None if artifacts is None else artifacts.as_uri()
        try:
            client.create_experiment(EXPERIMENT, artifact_location=location)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(EXPERIMENT)
    if found is None or found.lifecycle_stage == "deleted":
        raise MlflowException(f"its experiment {EXPERIMENT} was deleted; restore it")
    return found
