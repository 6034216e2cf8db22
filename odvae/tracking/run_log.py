"""Writing one run, in few and large calls."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from odvae.tracking.limits import METRICS_PER_CALL, PAIRS_PER_CALL, chunks
from odvae.tracking.logged import NOTE_TAG, Status

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

# The most MLflow takes in one value.
_DATASET_DIGEST_CHARACTERS = 32  # of 36
_VALUE_CHARS = 6000


class RunLog:
    """Writes one run. Metrics wait for ``flush`` or ``finish``; all else is written at once.

    ``written`` is called each time that metrics or the end of the run have been.
    """

    def __init__(
        self,
        client: "MlflowClient",
        run_id: str,
        *,
        resumed: bool,
        written: Callable[[], None],
    ) -> None:
        self.run_id = run_id
        self._client = client
        self._written = written
        self._resumed = resumed
        self._known_params = set(client.get_run(run_id).data.params) if resumed else set()
        self._last_stored_step: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], Metric] = {}

    def params(self, values: Mapping[str, object]) -> None:
        """Store settings as text, cut at 6000 characters; one already stored keeps its value."""
        from mlflow.entities import Param

        new = [Param(k, _text(v)) for k, v in values.items() if k not in self._known_params]
        for some in chunks(new, PAIRS_PER_CALL):
            self._client.log_batch(self.run_id, params=some)
        self._known_params.update(values)

    def tags(self, values: Mapping[str, object]) -> None:
        """Store tags as text, cut at 6000 characters, over those of the same name."""
        from mlflow.entities import RunTag

        for some in chunks([RunTag(k, _text(v)) for k, v in values.items()], PAIRS_PER_CALL):
            self._client.log_batch(self.run_id, tags=some)

    def describe(self, markdown: str) -> None:
        """Say what the run is, at the head of its page; cut at 6000 characters."""
        self.tags({NOTE_TAG: markdown})

    def picture(self, path: str) -> str:
        """Markdown that shows a picture among the artifacts, for ``describe``."""
        return f"![{path}](get-artifact?{urlencode({'path': path, 'run_uuid': self.run_id})})"

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
        for some in chunks(list(self._waiting), METRICS_PER_CALL):
            self._client.log_batch(self.run_id, metrics=[self._waiting[place] for place in some])
            for place in some:
                del self._waiting[place]
        self._written()

    def finish(self, status: Status) -> None:
        """Write what waits and close the run."""
        self.flush()
        self._client.set_terminated(self.run_id, status.value)
        self._written()

    def _last_step_before(self, name: str) -> int:
        """Last step of a metric stored before this object resumed the run; -1 for none."""
        if not self._resumed:
            return -1
        if name not in self._last_stored_step:
            history = self._client.get_metric_history(self.run_id, name)
            self._last_stored_step[name] = max((metric.step for metric in history), default=-1)
        return self._last_stored_step[name]


def _text(value: object) -> str:
    text = str(value)
    return text if len(text) <= _VALUE_CHARS else text[: _VALUE_CHARS - 1] + "…"
