"""Who works on what: locks that end with the process that holds them, however it ends."""

import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import sqlalchemy
from filelock import FileLock, Timeout


class Locks(Protocol):
    """The locks of a study's workers."""

    def deciding(self) -> AbstractContextManager[None]:
        """While it is open, no other worker counts trials or begins one."""

    def hold(self, trial: int) -> bool:
        """Become the worker of a trial; False: another one is, and lives."""

    def release(self, trial: int) -> None:
        """The trial needs no worker any more."""

    def close(self) -> None:
        """Release them all."""


class FileLocks:
    """Files beside a journal."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._held: dict[int, FileLock] = {}

    @contextmanager
    def deciding(self) -> Iterator[None]:
        with FileLock(self._folder / "deciding.lock"):
            yield

    def hold(self, trial: int) -> bool:
        lock = FileLock(self._folder / f"{trial}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._held[trial] = lock
        return True

    def release(self, trial: int) -> None:
        self._held.pop(trial).release()

    def close(self) -> None:
        for trial in list(self._held):
            self.release(trial)


class Presence:
    """A lock that one of a study's workers holds: as long as it is held, the study is worked on."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(file, timeout=0)

    def show(self) -> None:
        """Hold it, unless another worker does."""
        if not self._lock.is_locked:
            with suppress(Timeout):
                self._lock.acquire()

    def __enter__(self) -> Self:
        self.show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


class PostgresqlLocks:
    """PostgreSQL's advisory locks: they are known to all machines, and end with the connection."""

    _DECIDING = -1  # no trial has this number

    def __init__(self, url: sqlalchemy.URL, study: str) -> None:
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
        self._connection = engine.connect()
        self._study = zlib.crc32(study.encode()) - 2**31  # PostgreSQL's integers have a sign

    @contextmanager
    def deciding(self) -> Iterator[None]:
        self._call("pg_advisory_lock", self._DECIDING)
        try:
            yield
        finally:
            self.release(self._DECIDING)

    def hold(self, trial: int) -> bool:
        return bool(self._call("pg_try_advisory_lock", trial))

    def release(self, trial: int) -> None:
        self._call("pg_advisory_unlock", trial)

    def close(self) -> None:
        self._connection.close()
        self._connection.engine.dispose()

    def _call(self, function: str, trial: int) -> object:
        asked = sqlalchemy.text(f"SELECT {function}(:study, :trial)")
        return self._connection.execute(asked, {"study": self._study, "trial": trial}).scalar()
