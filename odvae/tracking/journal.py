"""A folder's own store as a journal: what a run is, and what it has logged since a last look.

MLflow's interface gives a run's metrics by name and as a whole, which takes ever longer as the run
goes on; here they are read in the order in which they were written.
"""

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Run

DATABASE = "mlflow.db"
RUNNING = "RUNNING"

_COUNT = "select count(*) from metrics where run_uuid = ? and rowid <= ?"
_ROWS = (
    "select rowid, key, value, timestamp, step, is_nan from metrics "
    "where run_uuid = ? and rowid > ? order by rowid limit ?"
)
_NO_LIMIT = 2**62


class Journal:
    """Reads what an output folder holds.

    Metric values have row numbers that grow as they are written. MLflow only ever adds some; a tool
    that rewrites the database may number them anew, which ``count`` tells.
    """

    def __init__(self, client: "MlflowClient", output: Path) -> None:
        self._client = client
        self._database = output / DATABASE

    def run(self, run_id: str) -> "Run":
        """A run as it is now, without its history."""
        return self._client.get_run(run_id)

    def count(self, run_id: str, *, last_row: int = _NO_LIMIT) -> int:
        """How many metric values a run has, up to a row."""
        with closing(sqlite3.connect(self._database)) as database:
            return int(database.execute(_COUNT, (run_id, last_row)).fetchone()[0])

    def metrics(
        self, run_id: str, *, after_row: int, most: int
    ) -> Iterator[list[tuple[int, "Metric"]]]:
        """What a run has behind a row: (row, value) in batches of at most so many."""
        from mlflow.entities import Metric

        while True:
            with closing(sqlite3.connect(self._database)) as database:
                found = database.execute(_ROWS, (run_id, after_row, most)).fetchall()
            if not found:
                return
            yield [
                (row, Metric(key, math.nan if is_nan else value, timestamp, step))
                for row, key, value, timestamp, step, is_nan in found
            ]
            after_row = found[-1][0]


def is_deleted(run: "Run") -> bool:
    """Whether someone has deleted it, which hides it until it is restored."""
    return bool(run.info.lifecycle_stage == "deleted")


def datasets(run: "Run") -> list["DatasetInput"]:
    """The data sets of a run."""
    return list(run.inputs.dataset_inputs) if run.inputs else []


def about(run: "Run") -> str:
    """A digest of a run's parameters, tags and data sets."""
    used = [dict(one.dataset) for one in datasets(run)]
    facts = json.dumps([run.data.params, run.data.tags, used], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def end(run: "Run") -> str:
    """Status and time of a run's end; empty for one that has none."""
    return "" if run.info.status == RUNNING else f"{run.info.status} {run.info.end_time}"


def changed_files(
    run: "Run", known: Mapping[str, list[int]]
) -> Iterator[tuple[Path, str, list[int]]]:
    """Artifacts of a run that are not known in their present state.

    Yields the file, its path among the artifacts, and its state: size in bytes, time in ns.
    """
    folder = Path(unquote(urlsplit(run.info.artifact_uri).path))
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            name, stat = file.relative_to(folder).as_posix(), file.stat()
            state = [stat.st_size, stat.st_mtime_ns]
            if known.get(name) != state:
                yield file, name, state
