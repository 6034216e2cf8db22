"""All runs of an output folder or of a server."""

import logging
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from odvae.errors import UserError
from odvae.tracking.logged import PARENT_TAG, LoggedRun, logged, stored_value
from odvae.tracking.run_log import RunLog

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "odvae"

# Read by MLflow at import or at each request; a value the user has set stands.
_ENVIRONMENT = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class Store:
    """Every run of one output folder or server; made by ``Store.open``."""

    def __init__(self, client: "MlflowClient", experiment_id: str) -> None:
        self.uri: str = client.tracking_uri
        self._client = client
        self.experiment_id = experiment_id

    @classmethod
    def open(cls, output_dir: Path) -> "Store":
        """Open the store, making what is missing; several processes may do so at once.

        Raises UserError when the folder cannot be written or the server cannot be reached.
        """
        root = output_dir.expanduser().resolve()
        try:
            root.mkdir(parents=True, exist_ok=True)
            # MLflow fails when two processes initialise one fresh database.
            with FileLock(root / "mlflow.lock"):
                return cls._open_alone(root, os.environ.get("MLFLOW_TRACKING_URI"))
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"output_dir={output_dir}: cannot be written: {error}") from error

    @classmethod
    def _open_alone(cls, root: Path, server: str | None) -> "Store":
        if not server:
            with closing(sqlite3.connect(root / "mlflow.db")) as database:
                # Readers and a writer no longer wait for each other; the file remembers it.
                database.execute("PRAGMA journal_mode=WAL")
        _quiet_mlflow()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            client = MlflowClient(server or f"sqlite:///{root / 'mlflow.db'}")
            return cls(client, _experiment_id(client, None if server else root / "mlartifacts"))
        except MlflowException as error:
            reason = str(error).splitlines()[0]
            if server:
                raise UserError(
                    f"MLFLOW_TRACKING_URI={server}: cannot be used: {reason}"
                ) from error
            raise UserError(f"output_dir={root}: its mlflow.db cannot be used: {reason}") from error

    def find(self, tags: Mapping[str, str]) -> list[LoggedRun]:
        """Runs that carry all these tags, newest first."""
        wanted = " and ".join(f"tags.`{name}` = {_quoted(value)}" for name, value in tags.items())
        newest_first = ["attributes.start_time DESC"]
        search = partial(self._client.search_runs, [self.experiment_id], wanted)
        page = search(order_by=newest_first)
        found = list(page)
        while page.token:
            page = search(order_by=newest_first, page_token=page.token)
            found += page
        return [logged(run) for run in found]

    def runs(self) -> list[LoggedRun]:
        """Every run, newest first."""
        return self.find({})

    def get(self, run_id: str) -> LoggedRun:
        """One run, by its identifier."""
        return logged(self._client.get_run(run_id))

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) in order of step; the last value logged where a step has several."""
        history = self._client.get_metric_history(run_id, metric)
        by_step = {
            m.step: stored_value(m.value) for m in sorted(history, key=lambda m: m.timestamp)
        }
        return sorted(by_step.items())

    def artifact(self, run_id: str, path: str) -> Path:
        """Local path of an artifact, downloaded when the store is elsewhere.

        Raises UserError when the run has no such artifact, or it cannot be had.
        """
        from mlflow.exceptions import MlflowException

        folder = urlsplit(self._client.get_run(run_id).info.artifact_uri)
        local = Path(unquote(folder.path), path)
        if folder.scheme == "file" and local.exists():  # MLflow would copy it
            return local
        try:
            return Path(self._client.download_artifacts(run_id, path))
        except (MlflowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"run {run_id}: its artifact {path} cannot be had: {reason}") from error

    def experiment_tags(self) -> dict[str, str]:
        """What is stored of all the runs together."""
        return dict(self._client.get_experiment(self.experiment_id).tags)

    def tag_experiment(self, name: str, value: str) -> None:
        """Store something of all the runs together, over what had this name."""
        self._client.set_experiment_tag(self.experiment_id, name, value)

    def create(self, name: str, *, tags: Mapping[str, str], parent_id: str | None) -> RunLog:
        """Start a run, below ``parent_id`` unless that is None."""
        parent = {} if parent_id is None else {PARENT_TAG: parent_id}
        run = self._client.create_run(self.experiment_id, tags={**tags, **parent}, run_name=name)
        return RunLog(self._client, run.info.run_id, resumed=False)

    def adopt(self, run_id: str, *, parent_id: str) -> None:
        """Put a run that has no parent below a sweep that found it done."""
        if self.get(run_id).parent_id is None:
            self._client.set_tag(run_id, PARENT_TAG, parent_id)

    def resume(self, run_id: str) -> RunLog:
        """Go on with a run; params and metrics that it repeats are not stored again."""
        self._client.update_run(run_id, status="RUNNING")
        return RunLog(self._client, run_id, resumed=True)


def _quiet_mlflow() -> None:
    # Set outright: nothing here is reported to anyone.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  (its import configures the loggers below)

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def _experiment_id(client: "MlflowClient", artifact_dir: Path | None) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    # MLflow's default would be a folder below the directory this process happens to start in.
    location = None if artifact_dir is None else artifact_dir.as_uri()
    return client.create_experiment(EXPERIMENT, artifact_location=location)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
