"""Where runs are recorded: the database of the output folder, and the MLflow that is shared."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import requests

from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.experiment.diagnosis.finding import Finding, ok, problem, warning
from odvae.experiment.diagnosis.places import existing
from odvae.tracking import Store
from odvae.tracking.address import VARIABLE, reason, shared_uri, shown
from odvae.tracking.journal import DATABASE

_BUSY_S = 2.0  # another process may be writing
_ANSWER_S = 2.0
_CHECKED_BYTES = 256 * 2**20  # a larger database is not read from end to end
_KEPT = "runs keep their results in output_dir meanwhile, and odvae sync uploads them"


def look_at_store(config: RunConfig) -> Iterator[Finding]:
    """The database of the output folder, or whether one could be made."""
    database = config.output / DATABASE
    try:
        if not database.exists():
            _make_one(existing(config.output))
            yield ok("store", f"{database}: none yet, one can be made")
            return
        _write_in_place(database)
        Store.open(config.output)  # MLflow may find it of another version
        runs = _runs(database)
    except (OSError, sqlite3.OperationalError) as error:
        yield problem(
            "store",
            f"{database} cannot be written: {error}",
            "let this user write it and its folder, or output_dir=FOLDER; where it is locked, end "
            "the program that holds it",
        )
    except sqlite3.DatabaseError as error:
        yield problem(
            "store",
            f"{database} is damaged: {' '.join(str(error).split())}",
            "put a copy of it back, or move it away: odvae then begins a new one, and the files "
            "that runs have written stay",
        )
    except UserError as error:
        yield problem(
            "store",
            str(error).partition(". ")[0],
            f"where an older MLflow made it, copy it, then mlflow db upgrade sqlite:///{database}; "
            "where a newer one did, pip install --upgrade 'mlflow<4'",
        )
    else:
        yield ok("store", f"{database}: {runs} run{'s' if runs != 1 else ''}, can be written")


def look_at_server(_: RunConfig) -> Iterator[Finding]:
    """The MLflow that the environment names; without it, results are kept and sent later."""
    uri = shared_uri()
    if uri is None:
        return
    if not uri.startswith(("http://", "https://")):
        yield ok("server", f"{VARIABLE}={shown(uri)}: only http servers are asked")
        return
    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=_ANSWER_S)
        its_version = requests.get(f"{uri.rstrip('/')}/version", timeout=_ANSWER_S)
    except requests.RequestException as error:
        yield warning("server", f"{shown(uri)} does not answer: {reason(error)}", _KEPT)
        return
    yield judge_server(
        shown(uri),
        status=answer.status_code,
        theirs=its_version.text.strip() if its_version.ok else "",
        ours=version("mlflow"),
    )


def judge_server(address: str, *, status: int, theirs: str, ours: str) -> Finding:
    """What to say of a server that answers.

    Args:
        address: without a password.
        status: of HTTP, to the question whether it is well.
        theirs: its version, empty if it does not say.
        ours: the version of this computer's MLflow.
    """
    if status in (401, 403):
        return warning(
            "server",
            f"{address} refuses (HTTP {status})",
            "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            f"MLFLOW_TRACKING_TOKEN; {_KEPT}",
        )
    if status != requests.codes.ok or not theirs[:1].isdigit():
        return warning(
            "server",
            f"{address} answers, but not as an MLflow server (HTTP {status})",
            f"correct {VARIABLE}; {_KEPT}",
        )
    said = f"{address}: MLflow {theirs}"
    if theirs.partition(".")[0] != ours.partition(".")[0]:
        return warning(
            "server", f"{said}, here {ours}", f"pip install 'mlflow=={theirs}', or update the other"
        )
    return ok("server", f"{said} answers")


def _make_one(folder: Path) -> None:
    """Make a database in a folder and remove it: some network file systems have no locks.

    Raises:
        OSError, sqlite3.OperationalError: it cannot be made.
    """
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".odvae-doctor-") as made,
        closing(sqlite3.connect(Path(made) / DATABASE)) as database,
    ):
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE trial (number)")


def _write_in_place(path: Path) -> None:
    """Commit a transaction that changes nothing: a number is replaced by itself.

    Raises:
        sqlite3.OperationalError: it cannot be written.
        sqlite3.DatabaseError: it is damaged.
    """
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as database:
        if path.stat().st_size <= _CHECKED_BYTES:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        (number,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {number:d}")


def _runs(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'")
        return int(found.fetchone()[0])
