"""One run of a folder's store copied to the shared MLflow: exactly once, in order.

Whatever is cut off, and whichever answer is lost, the next try goes on where the server stands: a
run is found again there by its tag, a metric's values are compared before they are sent a second
time, and all else may be sent twice without a trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from filelock import Timeout

from odvae.tracking.address import trouble
from odvae.tracking.connection import status_of
from odvae.tracking.journal import (
    RUNNING,
    Journal,
    about,
    changed_files,
    datasets,
    end,
    is_deleted,
)
from odvae.tracking.ledger import Entry, Ledger
from odvae.tracking.limits import METRICS_PER_CALL, PAIRS_PER_CALL, chunks
from odvae.tracking.logged import NOTE_TAG, ORIGIN_TAG, PARENT_TAG

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

    from odvae.tracking.store import Store


@dataclass(frozen=True)
class Sent:
    """What was not on the server yet, and was sent there."""

    runs: int = 0  # of which anything was sent
    metrics: int = 0  # values
    files: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.runs + other.runs, self.metrics + other.metrics, self.files + other.files)


class Uploader:
    """Copies runs of a folder's store to another one; a ledger remembers what is there."""

    def __init__(self, store: "Store", server: "Store", ledger: Ledger) -> None:
        self._journal = Journal(store.client, store.output)
        self._server, self._client = server, server.client
        self._ledger = ledger

    def upload(self, run_id: str, *, wait: bool = True) -> Sent:
        """Send what the server lacks of a run.

        Args:
            wait: while another process sends the same run; otherwise it is left to that one.

        Raises:
            Unreachable: the server did not answer, or not to all of it.
            Refused: the server will not have it, for instance because the run was deleted there.
            OSError: something is wrong with this computer's disk.
        """
        try:
            with self._ledger.claim(run_id).acquire(timeout=-1 if wait else 0), self._told():
                run = self._journal.run(run_id)
                return Sent() if is_deleted(run) else self._send(run)
        except Timeout:
            return Sent()

    def lacking(self, run_id: str) -> Sent:
        """What ``upload`` would send, as far as the ledger knows."""
        with self._told():
            run = self._journal.run(run_id)
            entry = self._ledger.get(run_id, server=self._server.identity)
            metrics = self._journal.count(run_id) - entry.rows
            files = sum(1 for _ in changed_files(run, entry.files))
            is_there = (about(run), end(run)) == (entry.about, entry.ended)
            return Sent(int(not is_there or metrics + files > 0), metrics, files)

    def _send(self, run: "Run") -> Sent:
        entry = self._created(run)
        before = entry.about, entry.ended
        self._send_about(run, entry)
        metrics = self._send_metrics(run.info.run_id, entry)
        files = self._send_files(run, entry)
        self._send_end(run, entry)  # last: what has an end is there as a whole
        is_new = metrics + files > 0 or before != (entry.about, entry.ended)
        return Sent(int(is_new), metrics, files)

    def _created(self, run: "Run") -> Entry:
        """The run's entry, once the server has the run."""
        run_id, server = run.info.run_id, self._server.identity
        entry = self._ledger.get(run_id, server=server)
        if entry.run_id:
            return entry
        tags = {ORIGIN_TAG: run_id, **self._parent(run)}
        with self._ledger.creating():
            entry = self._ledger.get(run_id, server=server)  # another process may have made it
            if entry.run_id:
                return entry
            found = self._same(run_id)
            if found:  # perhaps with metrics, of a ledger that was lost
                entry.run_id, entry.in_doubt = found[0].info.run_id, True
            else:
                made = self._client.create_run(
                    self._server.experiment_id,
                    start_time=run.info.start_time,
                    tags=tags,
                    run_name=run.info.run_name,
                )
                entry.run_id = made.info.run_id
            self._ledger.put(run_id, entry)
        return entry

    def _parent(self, run: "Run") -> dict[str, str]:
        """The tag that puts a run below its sweep, which the server gets first."""
        parent_id = run.data.tags.get(PARENT_TAG)
        if parent_id is None:
            return {}
        parent = self._journal.run(parent_id)
        return {} if is_deleted(parent) else {PARENT_TAG: self._created(parent).run_id}

    def _same(self, run_id: str) -> list["Run"]:
        """Runs on the server that come from this one; those that were deleted there are last."""
        from mlflow.entities import ViewType

        found = self._client.search_runs(
            [self._server.experiment_id],
            f"tags.`{ORIGIN_TAG}` = '{run_id}'",
            run_view_type=ViewType.ALL,
        )
        return sorted(found, key=is_deleted)

    def _send_about(self, run: "Run", entry: Entry) -> None:
        """Parameters, tags and data sets, if any of them is new."""
        from mlflow.entities import Param, RunTag

        digest = about(run)
        if digest == entry.about:
            return
        params = [Param(name, value) for name, value in run.data.params.items()]
        for some in chunks(params, PAIRS_PER_CALL):
            self._client.log_batch(entry.run_id, params=some)
        known = {name: value for name, value in run.data.tags.items() if name != PARENT_TAG}
        if NOTE_TAG in known:  # its pictures are asked for by the run's identifier
            known[NOTE_TAG] = known[NOTE_TAG].replace(run.info.run_id, entry.run_id)
        tags = [RunTag(name, value) for name, value in (known | self._parent(run)).items()]
        for few in chunks(tags, PAIRS_PER_CALL):
            self._client.log_batch(entry.run_id, tags=few)
        if used := datasets(run):
            self._client.log_inputs(entry.run_id, datasets=used)
        entry.about = digest
        self._ledger.put(run.info.run_id, entry)

    def _send_metrics(self, run_id: str, entry: Entry) -> int:
        """Send the values that the server lacks; returns how many."""
        if self._journal.count(run_id, last_row=entry.last_row) != entry.rows:
            entry.rows, entry.last_row, entry.in_doubt = 0, 0, True  # rows have other numbers now
        there = self._there(run_id, entry) if entry.in_doubt else set()
        sent = 0
        for batch in self._waiting(run_id, entry):
            if not entry.in_doubt:  # from now on, until there is an answer
                entry.in_doubt = True
                self._ledger.put(run_id, entry)
            new = [metric for _, metric in batch if _point(metric) not in there]
            if new:
                self._client.log_batch(entry.run_id, metrics=new)
            sent += len(new)
            entry.rows, entry.last_row = entry.rows + len(batch), batch[-1][0]
            self._ledger.put(run_id, entry)
        if entry.in_doubt:
            entry.in_doubt = False
            self._ledger.put(run_id, entry)
        return sent

    def _waiting(self, run_id: str, entry: Entry) -> Iterator[list[tuple[int, "Metric"]]]:
        return self._journal.metrics(run_id, after_row=entry.last_row, most=METRICS_PER_CALL)

    def _there(self, run_id: str, entry: Entry) -> set[tuple[str, int, int, str]]:
        """All values on the server, of the metrics that are to be sent."""
        waiting = self._waiting(run_id, entry)
        names = dict.fromkeys(metric.key for batch in waiting for _, metric in batch)
        history = self._client.get_metric_history
        return {_point(metric) for name in names for metric in history(entry.run_id, name)}

    def _send_files(self, run: "Run", entry: Entry) -> int:
        """Send the files that are new or changed; returns how many."""
        sent = 0
        for file, name, state in list(changed_files(run, entry.files)):
            self._send_file(file, name.rpartition("/")[0], entry.run_id)
            entry.files[name] = state
            self._ledger.put(run.info.run_id, entry)
            sent += 1
        return sent

    def _send_file(self, file: Path, folder: str, run_id: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.log_artifact(run_id, str(file), folder or None)
        except requests.HTTPError as error:
            status = 500 if error.response is None else error.response.status_code
            raise trouble(self._server.uri, error, status=status) from error
        except (MlflowException, FileNotFoundError):
            raise
        except Exception as error:  # each kind of storage has its own
            raise trouble(self._server.uri, error) from error

    def _send_end(self, run: "Run", entry: Entry) -> None:
        """Close the run as it was closed here, or open it again."""
        ended = end(run)
        if ended == entry.ended:
            return
        if ended:
            # A request to make the run may be carried out long after we have given it up.
            for twin in self._same(run.info.run_id):
                if twin.info.run_id != entry.run_id and not is_deleted(twin):
                    self._client.delete_run(twin.info.run_id)
            self._client.set_terminated(entry.run_id, run.info.status, run.info.end_time)
        else:
            self._client.update_run(entry.run_id, status=RUNNING)
        entry.ended = ended
        self._ledger.put(run.info.run_id, entry)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """MLflow's errors, in a line."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise trouble(self._server.uri, error, status=status_of(error)) from error


def _point(metric: "Metric") -> tuple[str, int, int, str]:
    """What tells a value from others; also one that is no number, and so unlike itself."""
    return metric.key, metric.timestamp, metric.step, str(metric.value)
