"""What experiments record and how it is read back: the only file that imports MLflow.

Runs go to an sqlite database in the output folder, or to the server that ``MLFLOW_TRACKING_URI``
names. MLflow is imported on first use, since that takes seconds; its fluent, process-wide interface
is never used, so several runs in one process cannot write into each other.
"""

import json
import logging
import math
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from odvae.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

T = TypeVar("T")

EXPERIMENT = "odvae"

_PARENT_TAG = "mlflow.parentRunId"

# Read by MLflow at import or at each request; a value the user has set stands.
_ENVIRONMENT = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

# The most MLflow takes in one call, and in one value.
_METRICS_PER_CALL = 1000
_DATASET_DIGEST_CHARACTERS = 32  # of 36
_PAIRS_PER_CALL = 100
_VALUE_CHARS = 6000


class Status(Enum):
    """How a run ended."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class LoggedRun:
    """A stored run; ``metrics`` holds each metric's value at its last step.

    ``status`` is RUNNING or the value of a ``Status``; ``tags`` includes MLflow's own.
    """

    run_id: str
    name: str
    parent_id: str | None
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    datasets: dict[str, str]  # digests by name
    started: datetime


class RunLog:
    """Writes one run. Metrics wait for ``flush`` or ``finish``; all else is written at once."""

    def __init__(self, client: "MlflowClient", run_id: str, *, resumed: bool) -> None:
        self.run_id = run_id
        self._client = client
        self._resumed = resumed
        self._known_params = set(client.get_run(run_id).data.params) if resumed else set()
        self._last_stored_step: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], Metric] = {}

    def params(self, values: Mapping[str, object]) -> None:
        """Store settings as text, cut at 6000 characters; one already stored keeps its value."""
        from mlflow.entities import Param

        new = [Param(k, _text(v)) for k, v in values.items() if k not in self._known_params]
        for some in _chunks(new, _PAIRS_PER_CALL):
            self._client.log_batch(self.run_id, params=some)
        self._known_params.update(values)

    def tags(self, values: Mapping[str, object]) -> None:
        """Store tags as text, cut at 6000 characters, over those of the same name."""
        from mlflow.entities import RunTag

        for some in _chunks([RunTag(k, _text(v)) for k, v in values.items()], _PAIRS_PER_CALL):
            self._client.log_batch(self.run_id, tags=some)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep values for the next ``flush``.

        On a resumed run, values at steps up to the metric's last stored one are dropped, since they
        repeat. NaN and infinities are stored as such.
        """
        from mlflow.entities import Metric

        now_ms = time.time_ns() // 1_000_000
        for name, value in values.items():
            if step > self._last_step_before(name):
                self._waiting[name, step] = Metric(name, float(value), now_ms, step)

    def dataset(
        self, name: str, digest: str, *, source: str, profile: Mapping[str, object]
    ) -> None:
        """Store which data set the run has: its name, identity, place, and counts."""
        from mlflow.entities import Dataset, DatasetInput

        known = Dataset(
            name=name,
            digest=digest[:_DATASET_DIGEST_CHARACTERS],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(profile),
        )
        self._client.log_inputs(self.run_id, datasets=[DatasetInput(known)])

    def text(self, text: str, path: str) -> None:
        """Store a text as the artifact ``path``."""
        self._client.log_text(self.run_id, text, path)

    def file(self, path: Path, folder: str | None) -> None:
        """Store a copy of a file among the artifacts, in ``folder`` or at their top."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def flush(self) -> None:
        """Write the waiting metrics; what a failed call did not write waits for the next one."""
        for some in _chunks(list(self._waiting), _METRICS_PER_CALL):
            self._client.log_batch(self.run_id, metrics=[self._waiting[place] for place in some])
            for place in some:
                del self._waiting[place]

    def finish(self, status: Status) -> None:
        """Write what waits and close the run."""
        self.flush()
        self._client.set_terminated(self.run_id, status.value)

    def _last_step_before(self, name: str) -> int:
        """Last step of a metric stored before this object resumed the run; -1 for none."""
        if not self._resumed:
            return -1
        if name not in self._last_stored_step:
            history = self._client.get_metric_history(self.run_id, name)
            self._last_stored_step[name] = max((metric.step for metric in history), default=-1)
        return self._last_stored_step[name]


class Store:
    """Every run of one output folder or server; made by ``Store.open``."""

    def __init__(self, client: "MlflowClient", experiment_id: str) -> None:
        self.uri: str = client.tracking_uri
        self._client = client
        self._experiment_id = experiment_id

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
        search = partial(self._client.search_runs, [self._experiment_id], wanted)
        page = search(order_by=newest_first)
        found = list(page)
        while page.token:
            page = search(order_by=newest_first, page_token=page.token)
            found += page
        return [_logged(run) for run in found]

    def runs(self) -> list[LoggedRun]:
        """Every run, newest first."""
        return self.find({})

    def get(self, run_id: str) -> LoggedRun:
        """One run, by its identifier."""
        return _logged(self._client.get_run(run_id))

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) in order of step; the last value logged where a step has several."""
        logged = self._client.get_metric_history(run_id, metric)
        by_step = {m.step: _value(m.value) for m in sorted(logged, key=lambda m: m.timestamp)}
        return sorted(by_step.items())

    def artifact(self, run_id: str, path: str) -> Path:
        """Local path of an artifact, downloaded when the store is elsewhere."""
        folder = urlsplit(self._client.get_run(run_id).info.artifact_uri)
        local = Path(unquote(folder.path), path)
        if folder.scheme == "file" and local.exists():  # MLflow would copy it
            return local
        return Path(self._client.download_artifacts(run_id, path))

    def create(self, name: str, *, tags: Mapping[str, str], parent_id: str | None) -> RunLog:
        """Start a run, below ``parent_id`` unless that is None."""
        parent = {} if parent_id is None else {_PARENT_TAG: parent_id}
        run = self._client.create_run(self._experiment_id, tags={**tags, **parent}, run_name=name)
        return RunLog(self._client, run.info.run_id, resumed=False)

    def adopt(self, run_id: str, *, parent_id: str) -> None:
        """Put a run that has no parent below a sweep that found it done."""
        if self.get(run_id).parent_id is None:
            self._client.set_tag(run_id, _PARENT_TAG, parent_id)

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


def _logged(run: "Run") -> LoggedRun:
    return LoggedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        parent_id=run.data.tags.get(_PARENT_TAG),
        status=run.info.status,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        metrics={name: _value(value) for name, value in run.data.metrics.items()},
        datasets={
            used.dataset.name: used.dataset.digest
            for used in (run.inputs.dataset_inputs if run.inputs else [])
        },
        started=datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC),
    )


def _value(stored: float) -> float:
    # A database holds the largest float in place of an infinity.
    return math.copysign(math.inf, stored) if abs(stored) == sys.float_info.max else stored


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def _chunks(items: list[T], most: int) -> Iterator[list[T]]:
    return (items[start : start + most] for start in range(0, len(items), most))


def _text(value: object) -> str:
    text = str(value)
    return text if len(text) <= _VALUE_CHARS else text[: _VALUE_CHARS - 1] + "…"
