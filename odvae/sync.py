"""The command that brings to the shared MLflow what it does not have yet.

MLFLOW_TRACKING_URI=http://... python -m odvae.sync --output-dir outputs
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from odvae.compose import Parser, resumable_exit_code
from odvae.errors import UserError
from odvae.experiment.progress import counting
from odvae.tracking import Store
from odvae.tracking.address import VARIABLE, Refused, shared_uri, shown
from odvae.tracking.upload import Sent


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    output_dir: Path
    dry_run: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Upload; returns the exit code: 2 when the server is not there or refuses something."""
    return resumable_exit_code(lambda: _sync(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae sync",
        description=f"Upload every run of an output folder to the MLflow that {VARIABLE} names: "
        "what is not there yet, once and in order. Runs do so themselves while that MLflow can be "
        "reached; this brings the rest, and runs from before there was one.",
    )
    add = parser.add_argument
    add("--output-dir", type=Path, default=Path("outputs"), help="where the runs are (outputs)")
    add("--dry-run", action="store_true", help="say what would be sent")
    given = parser.parse_args(argv)
    return _Asked(given.output_dir, given.dry_run)


def _sync(asked: _Asked) -> None:
    uri = shared_uri()
    if uri is None:
        raise UserError(f"{VARIABLE} is not set: it names the MLflow to upload to")
    if not (asked.output_dir.expanduser() / "mlflow.db").is_file():
        raise UserError(f"--output-dir={asked.output_dir} holds no runs")
    store = Store.open(asked.output_dir)
    uploader = store.uploader(uri)
    act = uploader.lacking if asked.dry_run else uploader.upload
    runs = store.runs()[::-1]  # the oldest first
    sent, refusals = Sent(), []
    with counting("sync", len(runs)) as done:
        for number, run in enumerate(runs, start=1):
            try:
                sent += act(run.run_id)
            except Refused as error:
                refusals.append(f"run {run.run_id[:8]} {run.name}: {error}")
            done(number)
    verb = "would send" if asked.dry_run else "sent"
    there = len(runs) - sent.runs - len(refusals)
    print(
        f"{relpath(asked.output_dir)} to {shown(uri)}: {verb} {_counted(sent.runs, 'run')} "
        f"({_counted(sent.metrics, 'metric value')}, {_counted(sent.files, 'file')}); "
        f"{_counted(there, 'run')} {'was' if there == 1 else 'were'} there already"
    )
    for refusal in refusals:
        print(f"odvae: {refusal}", file=sys.stderr)
    if refusals:
        raise UserError(f"{_counted(len(refusals), 'run')} refused")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
