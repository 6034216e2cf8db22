"""What an unfinished scan has found so far, safe from any interruption: one line a video."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from odvae.data.scan_manifest import ScanEntry, entry_json, read_entry


class ScanJournal:
    """Entries in a file that only grows; a last line that was cut short is dropped.

    Attributes:
        entries: by name, those found when the journal was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, ScanEntry] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")

    def __enter__(self) -> Self:
        self._file.seek(0)
        sound_bytes = 0
        for line in self._file:
            try:
                entry = read_entry(json.loads(line))
            except (ValueError, TypeError):
                break
            if not line.endswith(b"\n"):
                break
            self.entries[entry.name] = entry
            sound_bytes += len(line)
        self._file.truncate(sound_bytes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def forget(self) -> None:
        """Start anew."""
        self.entries.clear()
        self._file.truncate(0)

    def add(self, entry: ScanEntry) -> None:
        """Keep an entry, whatever happens next."""
        self._file.write(f"{entry_json(entry)}\n".encode())
        self._file.flush()
