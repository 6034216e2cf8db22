"""Where the shared MLflow is, and what it says when it cannot be used: without the password."""

import os
import re

from odvae.errors import UserError

VARIABLE = "MLFLOW_TRACKING_URI"

_USER = re.compile(r"//[^/\s]*@")  # of user:password@host
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")
_MOST_CHARACTERS = 300
# Those of the client errors that another try may mend: timeout, too many requests.
_PASSING = (408, 429)


class Unreachable(UserError):
    """The shared MLflow does not answer, or cannot now: another try may succeed."""


class Refused(UserError):
    """The shared MLflow answers that it will not."""


def shared_uri() -> str | None:
    """The address that the person has set; None: there is no shared MLflow."""
    return os.environ.get(VARIABLE) or None


def shown(uri: str) -> str:
    """An address as it may be printed."""
    return _USER.sub("//", uri.partition("?")[0])


def trouble(uri: str, error: Exception, *, status: int = 500) -> Unreachable | Refused:
    """What went wrong at an address, in one line; ``status`` is that of HTTP."""
    passing = status in _PASSING or not 400 <= status < 500
    kind, what = (Unreachable, "cannot be used") if passing else (Refused, "refuses")
    return kind(f"{VARIABLE}={shown(uri)}: {what}: {reason(error)}")


def reason(error: Exception) -> str:
    """What an error says, in one line and in short."""
    text = _USER.sub("//", str(error).strip() or type(error).__name__)
    if found := _SYSTEM_ERROR.search(text):
        return found[1].strip().lower()
    if "timed out" in text:
        return "no answer in time"
    return text.splitlines()[0][:_MOST_CHARACTERS]
