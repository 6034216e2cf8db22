"""All runs of an output folder, or of the shared MLflow."""

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from odvae.errors import UserError
from odvae.tracking.address import VARIABLE, Unreachable, shared_uri, shown
from odvae.tracking.connection import open_folder, open_shared
from odvae.tracking.ledger import Ledger
from odvae.tracking.logged import PARENT_TAG, LoggedRun, logged, stored_value
from odvae.tracking.mirror import Mirror, SameStore, Tell
from odvae.tracking.run_log import RunLog
from odvae.tracking.upload import Uploader

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment


class Store:
    """Every run of one output folder or server; made by ``open`` and its like.

    ``output`` is the folder, also of a server that is used from it; ``identity`` tells stores
    apart, whatever their addresses.
    """

    def __init__(self, client: "MlflowClient", experiment: "Experiment", output: Path) -> None:
        self.uri: str = client.tracking_uri
        self.client = client
        self.output = output
        self.experiment_id = str(experiment.experiment_id)
        self.identity = f"{experiment.experiment_id} {experiment.creation_time}"
        self._mirror: Mirror | None = None

    @classmethod
    def open(cls, output_dir: Path) -> "Store":
        """Open a folder's store, making what is missing; several processes may do so at once.

        All that runs log is there, and what is decided on runs is decided by it.

        Raises UserError when the folder cannot be written.
        """
        root = output_dir.expanduser().resolve()
        try:
            root.mkdir(parents=True, exist_ok=True)
            return cls(*open_folder(root), root)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"output_dir={output_dir}: cannot be written: {error}") from error

    @classmethod
    def at(cls, uri: str, output_dir: Path) -> "Store":
        """Open what an address names, from an output folder.

        Raises Unreachable when it does not answer, or not as an MLflow that may be used.
        """
        root = output_dir.expanduser().resolve()
        return cls(*open_shared(uri, root), root)

    @classmethod
    def open_to_read(cls, output_dir: Path) -> "Store":
        """Open the store to look at many runs: the shared MLflow, if one is named and answers.

        Otherwise the folder's; a line on stderr says so if there should have been the other.

        Raises UserError when the folder's store cannot be opened either.
        """
        uri = shared_uri()
        if uri is not None:
            try:
                return cls.at(uri, output_dir)
            except Unreachable as error:
                if not (output_dir.expanduser() / "mlflow.db").is_file():
                    raise
                print(f"odvae: {error}; reading {output_dir}", file=sys.stderr)
        return cls.open(output_dir)

    def find(self, tags: Mapping[str, str]) -> list[LoggedRun]:
        """Runs that carry all these tags, newest first."""
        wanted = " and ".join(f"tags.`{name}` = {_quoted(value)}" for name, value in tags.items())
        newest_first = ["attributes.start_time DESC"]
        search = partial(self.client.search_runs, [self.experiment_id], wanted)
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
        return logged(self.client.get_run(run_id))

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) in order of step; the last value logged where a step has several."""
        history = self.client.get_metric_history(run_id, metric)
        by_step = {
            m.step: stored_value(m.value) for m in sorted(history, key=lambda m: m.timestamp)
        }
        return sorted(by_step.items())

    def artifact(self, run_id: str, path: str) -> Path:
        """Local path of an artifact, downloaded when the store is elsewhere.

        Raises UserError when the run has no such artifact, or it cannot be had.
        """
        from mlflow.exceptions import MlflowException

        folder = urlsplit(self.client.get_run(run_id).info.artifact_uri)
        local = Path(unquote(folder.path), path)
        if folder.scheme == "file" and local.exists():  # MLflow would copy it
            return local
        try:
            return Path(self.client.download_artifacts(run_id, path))
        except (MlflowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"run {run_id}: its artifact {path} cannot be had: {reason}") from error

    def experiment_tags(self) -> dict[str, str]:
        """What is stored of all the runs together."""
        return dict(self.client.get_experiment(self.experiment_id).tags)

    def tag_experiment(self, name: str, value: str) -> None:
        """Store something of all the runs together, over what had this name."""
        self.client.set_experiment_tag(self.experiment_id, name, value)

    def create(self, name: str, *, tags: Mapping[str, str], parent_id: str | None) -> RunLog:
        """Start a run, below ``parent_id`` unless that is None."""
        parent = {} if parent_id is None else {PARENT_TAG: parent_id}
        run = self.client.create_run(self.experiment_id, tags={**tags, **parent}, run_name=name)
        return self._log(run.info.run_id, resumed=False)

    def adopt(self, run_id: str, *, parent_id: str) -> None:
        """Put a run that has no parent below a sweep that found it done."""
        if self.get(run_id).parent_id is None:
            self.client.set_tag(run_id, PARENT_TAG, parent_id)
            self.share(run_id)

    def resume(self, run_id: str) -> RunLog:
        """Go on with a run; params and metrics that it repeats are not stored again."""
        self.client.update_run(run_id, status="RUNNING")
        return self._log(run_id, resumed=True)

    # -- on the way to the shared MLflow -----------------------------------------------------

    @contextmanager
    def mirrored(self, tell: Tell) -> Iterator[None]:
        """While this lasts, what is written also goes to the shared MLflow, if one is named.

        That happens in the background, and at the end waits ten seconds at most. What did not get
        there stays in the folder's store, and goes with the next run or with ``odvae.sync``.

        Args:
            tell: given a line for the person when not all of it gets there; from a thread.
        """
        uri = shared_uri()
        if uri is None:
            yield
            return
        place = os.path.relpath(self.output)
        option = "" if place == "outputs" else f" --output-dir {place}"
        mirror = Mirror(
            partial(self.uploader, uri),
            Ledger(self.output, uri),
            tell=tell,
            kept=f"results are kept in {place}, and python -m odvae.sync{option} uploads them",
        )
        self._mirror = mirror
        try:
            yield
        finally:
            self._mirror = None
            mirror.close()

    def share(self, *run_ids: str) -> None:
        """Within ``mirrored``: there is something new of these runs."""
        if self._mirror is not None:
            for run_id in run_ids:
                self._mirror.feed(run_id)

    def uploader(self, uri: str) -> Uploader:
        """What copies this folder's runs to an address.

        Raises:
            Unreachable: it does not answer, or not as an MLflow that may be used.
            SameStore: it is where the runs are already.
        """
        server = Store.at(uri, self.output)
        if server.identity == self.identity:
            raise SameStore(f"{VARIABLE}={shown(uri)} is the store of {self.output} itself")
        return Uploader(self, server, Ledger(self.output, uri))

    def _log(self, run_id: str, *, resumed: bool) -> RunLog:
        self.share(run_id)
        return RunLog(self.client, run_id, resumed=resumed, written=partial(self.share, run_id))


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
