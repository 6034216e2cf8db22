"""What is known to be on the shared MLflow already: a small file a run, written after each answer.

Losing it costs time and no more: what is on the server is then looked up there.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from odvae.tracking.address import shown


@dataclass
class Entry:
    """What one server is known to hold of one run."""

    server: str  # which server, by its experiment
    run_id: str = ""  # the run's there
    about: str = ""  # digest of the parameters, tags and data sets there
    rows: int = 0  # metric values there
    last_row: int = 0  # the journal's number of the last of them
    in_doubt: bool = False  # more of them may be there: they were sent, and no answer came
    files: dict[str, list[int]] = field(default_factory=dict)  # size and time of those there
    ended: str = ""  # status and time of its end there; empty while there is more to come


class Ledger:
    """The entries of an output folder for one address; several processes may use it at once."""

    def __init__(self, output: Path, uri: str) -> None:
        name = hashlib.sha256(shown(uri).encode()).hexdigest()[:12]
        self.folder = output / "sync" / name
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, run_id: str, *, server: str) -> Entry:
        """What is known of a run; an empty entry if nothing is, or of another server."""
        entry = self._read(self._file(run_id))
        return entry if entry is not None and entry.server == server else Entry(server)

    def put(self, run_id: str, entry: Entry) -> None:
        """Replace an entry in one go. Raises OSError where that cannot be; the old one stays."""
        part = self.folder / f"{run_id}.{os.getpid()}.part"
        try:
            part.write_text(json.dumps(asdict(entry)))
            os.replace(part, self._file(run_id))
        finally:
            part.unlink(missing_ok=True)

    def expect(self, run_id: str) -> None:
        """Note that a run shall be there, before anything of it is."""
        self._file(run_id).touch()

    def unfinished(self) -> list[str]:
        """Runs that were begun, and are not known to be there to the end."""
        entries = {file.stem: self._read(file) for file in sorted(self.folder.glob("*.json"))}
        return [run_id for run_id, entry in entries.items() if entry is None or not entry.ended]

    def claim(self, run_id: str) -> FileLock:
        """Held by the one that uploads a run."""
        return FileLock(self.folder / f"{run_id}.lock")

    def creating(self) -> FileLock:
        """Held by the one that makes a run on the server."""
        return FileLock(self.folder / "create.lock")

    def _file(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.json"

    def _read(self, file: Path) -> Entry | None:
        # A machine that went down may have left anything in the file.
        with suppress(OSError, ValueError, TypeError):
            return Entry(**json.loads(file.read_text()))
        return None
