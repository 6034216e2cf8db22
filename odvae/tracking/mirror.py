"""Runs on their way to the shared MLflow, in the background: a run never waits for the server."""

import sqlite3
import threading
import time
from collections.abc import Callable

from odvae.errors import UserError
from odvae.tracking.address import VARIABLE, Refused, Unreachable, reason
from odvae.tracking.ledger import Ledger
from odvae.tracking.upload import Uploader

Tell = Callable[[str], None]

CLOSE_S = 10.0  # the end of a run waits so long at most for what is still to be sent
_FIRST_PAUSE_S, _LAST_PAUSE_S = 30.0, 300.0  # after a failure; each one doubles it


class SameStore(UserError):
    """The address leads to the store of the folder itself."""


class Mirror:
    """Sends runs whenever there is something new of them; after a failure it tries again.

    Once the server has answered, it also gets what earlier runs of the folder have left.

    Args:
        connect: makes the connection. Raises Unreachable or SameStore.
        ledger: of the same address.
        tell: given a line that the person should read; called from a thread.
        kept: where results are meanwhile, and the command that sends them, in words.
    """

    def __init__(
        self, connect: Callable[[], Uploader], ledger: Ledger, *, tell: Tell, kept: str
    ) -> None:
        self._connect, self._ledger, self._tell, self._kept = connect, ledger, tell, kept
        self._uploader: Uploader | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()  # guards what follows
        self._due: dict[str, None] = {}  # runs of this process with something new, in order
        self._left: list[str] = []  # runs of earlier ones
        self._sending: str | None = None  # one of this process
        self._closing = self._given_up = self._told = self._needless = False
        self._pause_s = self._not_before_s = 0.0

    def feed(self, run_id: str) -> None:
        """There is something new of a run."""
        with self._changed:
            self._due[run_id] = None
            if self._thread is None:
                # It ends with the process: what it has not sent stays in the folder.
                self._thread = threading.Thread(target=self._work, daemon=True, name="mirror")
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Try once more, wait a little, and say so if something is left."""
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            is_done = self._changed.wait_for(self._is_done, CLOSE_S)
        if not is_done or self._given_up:
            self._say(f"{VARIABLE}: not everything is there yet")

    def _is_done(self) -> bool:
        return self._given_up or not (self._due or self._sending)

    def _work(self) -> None:
        while (run_id := self._next()) is not None:
            try:
                self._send(run_id)
            except SameStore:
                self._needless = True
            except Refused as error:
                self._say(str(error))
            except (Unreachable, OSError, sqlite3.Error) as error:
                told = isinstance(error, Unreachable)
                self._say(str(error) if told else f"{VARIABLE}: cannot be used: {reason(error)}")
                self._put_off(run_id)
            else:
                self._pause_s = 0.0
            with self._changed:
                self._sending = None
                self._changed.notify_all()

    def _next(self) -> str | None:
        """The run to send now, once there is one; None when this is over."""
        with self._changed:
            while not self._closing and (rest_s := self._rest_s()) != 0:
                self._changed.wait(rest_s)
            if self._closing and (self._given_up or not self._due):
                return None
            if not self._due:
                return self._left.pop(0)
            self._sending = next(iter(self._due))
            del self._due[self._sending]
            return self._sending

    def _rest_s(self) -> float | None:
        """Until when there is nothing to do; None: until there is something new."""
        if not (self._due or self._left):
            return None
        return max(0.0, self._not_before_s - time.monotonic())

    def _send(self, run_id: str) -> None:
        if self._needless:
            return
        is_own = self._sending is not None
        if is_own:
            self._ledger.expect(run_id)
        if self._uploader is None:
            self._uploader = self._connect()
            self._left = [left for left in self._ledger.unfinished() if left != run_id]
        self._uploader.upload(run_id, wait=is_own)

    def _put_off(self, run_id: str) -> None:
        with self._changed:
            if self._sending is None:
                self._left.append(run_id)
            else:
                self._due = {run_id: None} | self._due
            self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LAST_PAUSE_S)
            self._not_before_s = time.monotonic() + self._pause_s
            self._given_up = self._closing

    def _say(self, what: str) -> None:
        """Tell it, unless something of the kind was told before."""
        if not self._told:
            self._told = True
            self._tell(f"{what}; {self._kept}")
