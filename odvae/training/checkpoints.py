"""The checkpoints of a run: the last ones and the best, never fewer than one that can be used."""

import errno
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from odvae.errors import UserError
from odvae.model.atomic import sync_folder
from odvae.training.checkpoint_file import (
    CheckpointFile,
    Content,
    estimated_bytes,
    file_name,
    write,
)

_UNFINISHED = "unfinished.part"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class NotEnoughSpace(UserError):
    """The disk has no room for a checkpoint. Those written before are as they were."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A checkpoint that was read whole.

    Attributes:
        content: what was saved; tensors are on the CPU.
        step: updates done.
        score: what it was saved with.
        passed_over: why others, which would have come first, could not be used.
    """

    content: Content
    step: int
    score: float | None
    path: Path
    passed_over: list[str]


class Checkpoints:
    """The checkpoints in a folder. What is not named like one is left alone.

    An interruption at any moment, ``kill -9`` included, leaves all earlier checkpoints as they
    were: a new one is written under another name, brought to the disk, read back and only then
    given its name; what is superfluous goes after that. Scraps of an interrupted save are removed
    by the next one.

    One process writes; reading changes nothing in the folder, so any number of processes may.

    Args:
        keep_last: so many of the newest are kept,
        keep_best: and so many of those with the highest scores, however old.
        note: told in a sentence what the user should know: damage, a checkpoint dropped early.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_last: int = 2,
        keep_best: int = 1,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        if keep_last < 1 or keep_best < 0:
            raise UserError(
                "checkpoints: keep_last must be at least 1 and keep_best at least 0, "
                f"got {keep_last} and {keep_best}"
            )
        self.folder = folder
        self._keep_last = keep_last
        self._keep_best = keep_best
        self._note = note
        self._sound: dict[CheckpointFile, bool] = {}  # as last looked at

    def save(self, content: Content, *, step: int, score: float | None = None) -> Path:
        """Write a checkpoint, then remove what is superfluous.

        Where there is no room for another one, spare ones go first, the oldest first: all but the
        newest and the best. They do so only if that makes enough room.

        Args:
            content: nested dicts and lists of tensors, plain numbers and strings.
            step: updates done. What is newest is a matter of saving, not of steps.
            score: higher is better; one that is not finite counts as none.

        Raises:
            NotEnoughSpace: before or while writing.
            UserError: the folder cannot be written to.
            TypeError: ``content`` holds something else.
        """
        if step < 0:
            raise ValueError(f"step must be at least 0, got {step}")
        score = float(score) if score is not None and math.isfinite(score) else None
        needed_bytes = estimated_bytes(content)
        with self._explained("written", needed_bytes):
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / _UNFINISHED
            part.unlink(missing_ok=True)
            self._make_room(needed_bytes)
            serial = max((file.serial for file in self._files()), default=0) + 1
            try:
                digest = write(content, part)
                name = file_name(serial=serial, step=step, score=score, digest=digest)
                os.replace(part, self.folder / name)
            finally:
                part.unlink(missing_ok=True)
            sync_folder(self.folder)
            saved = CheckpointFile(self.folder / name, serial, step, score, digest)
            self._sound[saved] = True
            self._remove(self._superfluous(keep_last=self._keep_last))
        return saved.path

    def newest(self) -> Loaded | None:
        """The newest one that is sound. None if there is none: ``note`` is told why."""
        with self._explained("read"):
            return self._first_sound(reversed(self._files()))

    def best(self) -> Loaded | None:
        """The sound one with the highest score, the newest of equals; None if none has a score."""
        with self._explained("read"):
            return self._first_sound(self._by_score())

    def forget(self) -> None:
        """Remove all of them, the newest last, and scraps."""
        with self._explained("removed"):
            self._remove(self._files())
            (self.folder / _UNFINISHED).unlink(missing_ok=True)

    def _files(self) -> list[CheckpointFile]:
        """In the order of writing."""
        if not self.folder.is_dir():
            return []
        found = [CheckpointFile.at(path) for path in self.folder.iterdir()]
        return sorted((file for file in found if file is not None), key=lambda file: file.serial)

    def _by_score(self) -> list[CheckpointFile]:
        scored = (file for file in self._files() if file.score is not None)
        return sorted(scored, key=lambda file: (file.score, file.serial), reverse=True)

    def _first_sound(self, files: Iterable[CheckpointFile]) -> Loaded | None:
        passed_over: list[str] = []
        for file in files:
            reason = self._look(file)
            if reason is None:
                return Loaded(
                    content=file.read(),
                    step=file.step,
                    score=file.score,
                    path=file.path,
                    passed_over=passed_over,
                )
            passed_over.append(reason)
        return None

    def _look(self, file: CheckpointFile) -> str | None:
        reason = file.damage()
        self._sound[file] = reason is None
        if reason is not None:
            self._note(reason)
        return reason

    def _superfluous(self, *, keep_last: int) -> list[CheckpointFile]:
        """All but the last and the best, oldest first. One that is damaged is not worth a place,
        so each is looked at before it takes one, once.
        """
        files = self._files()
        last = islice(filter(self._is_sound, reversed(files)), keep_last)
        best = islice(filter(self._is_sound, self._by_score()), self._keep_best)
        kept = {*last, *best}
        return [file for file in files if file not in kept]

    def _is_sound(self, file: CheckpointFile) -> bool:
        return self._sound[file] if file in self._sound else self._look(file) is None

    def _make_room(self, needed_bytes: int) -> None:
        missing_bytes = needed_bytes - shutil.disk_usage(self.folder).free
        if missing_bytes <= 0:
            return
        self._sound.clear()  # look again: what stays may soon be all there is
        dropped: list[CheckpointFile] = []
        for file in self._superfluous(keep_last=1):
            dropped.append(file)
            missing_bytes -= file.path.stat().st_size
            if missing_bytes <= 0:
                break
        else:
            raise self._no_space(needed_bytes)
        self._remove(dropped)
        steps = ", ".join(str(file.step) for file in dropped)
        self._note(f"little space in {self.folder}: dropped the checkpoint of step {steps} early")

    def _remove(self, files: list[CheckpointFile]) -> None:
        for file in files:
            file.path.unlink(missing_ok=True)

    @contextmanager
    def _explained(self, done: str, needed_bytes: int = 0) -> Iterator[None]:
        """Turn what the system refuses into a message to the user."""
        try:
            yield
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise self._no_space(needed_bytes) from error
            raise UserError(
                f"checkpoints in {self.folder} cannot be {done}: {error.strerror}; "
                "output must be a folder that this user may read and write"
            ) from error

    def _no_space(self, needed_bytes: int) -> NotEnoughSpace:
        free_bytes = shutil.disk_usage(self.folder).free
        return NotEnoughSpace(
            f"not enough space for a checkpoint in {self.folder}: needs {needed_bytes / 1e6:,.1f} "
            f"MB, free are {free_bytes / 1e6:,.1f} MB; free some, or raise the quota, and give the "
            "same command again, which goes on from the last checkpoint"
        )
