"""Files over HTTP, whole and checked or not at all."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import requests

from odvae.errors import UserError

LOG = logging.getLogger(__name__)
_TIMEOUT_S = (10.0, 30.0)  # to connect, between two pieces
_PIECE_BYTES = 2**20
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}  # answers worth asking again

_T = TypeVar("_T")


@dataclass(frozen=True)
class Retry:
    """How often a file is asked for; the wait doubles each time."""

    attempts: int = 6
    first_wait_s: float = 0.5


class _Failed(Exception):
    """An attempt that failed in a way that may pass."""


def get_text(url: str, *, retry: Retry) -> str | None:
    """The text at a URL, None if there is none.

    Raises:
        UserError: the server does not answer, or refuses.
    """

    def attempt() -> str | None:
        with requests.get(url, timeout=_TIMEOUT_S) as answer:
            if answer.status_code in (404, 410):
                return None
            _check_status(answer)
            return answer.content.decode()

    return _persist(attempt, url, retry)


def download(
    url: str, path: Path, *, size_bytes: int | None, sha256: str | None, retry: Retry
) -> str:
    """Write the file at ``url`` to ``path``, which is left away on failure.

    Args:
        size_bytes: of the file, where it is known.
        sha256:     likewise.

    Returns:
        The file's sha256.

    Raises:
        UserError: not to be had, or not the file that it should be, after all attempts.
    """
    try:
        return _persist(lambda: _written(url, path, size_bytes, sha256), url, retry)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _written(url: str, path: Path, size_bytes: int | None, sha256: str | None) -> str:
    digest, written = hashlib.sha256(), 0
    # Asked for as it is: what is counted and hashed are the bytes of the file.
    asked = {"Accept-Encoding": "identity"}
    with requests.get(url, timeout=_TIMEOUT_S, stream=True, headers=asked) as answer:
        _check_status(answer)
        promised = int(answer.headers.get("Content-Length", -1))
        with path.open("wb") as file:
            for piece in answer.iter_content(_PIECE_BYTES):
                digest.update(piece)
                written += len(piece)
                file.write(piece)
    for wanted in (promised if promised >= 0 else None, size_bytes):
        if wanted is not None and written != wanted:
            raise _Failed(f"{written} bytes came instead of {wanted}")
    if sha256 is not None and digest.hexdigest() != sha256:
        raise _Failed(f"its sha256 is {digest.hexdigest()[:12]}..., not {sha256[:12]}...")
    return digest.hexdigest()


def _check_status(answer: requests.Response) -> None:
    told = f"the server says {answer.status_code} {answer.reason}"
    if answer.status_code in _MAY_PASS:
        raise _Failed(told)
    if not answer.ok:
        raise UserError(f"shard {answer.url}: {told}")


def _persist(attempt: Callable[[], _T], url: str, retry: Retry) -> _T:
    wait_s = retry.first_wait_s
    for number in range(1, retry.attempts + 1):
        try:
            return attempt()
        except (
            _Failed,
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            reason = str(error)
            LOG.warning("%s: attempt %d of %d: %s", url, number, retry.attempts, reason)
        except requests.RequestException as error:  # an impossible URL and the like
            raise UserError(f"shard {url}: {error}") from error
        if number < retry.attempts:
            time.sleep(wait_s)
            wait_s *= 2
    raise UserError(f"shard {url}: not to be had in {retry.attempts} attempts; last: {reason}")
