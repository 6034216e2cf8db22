"""Say in one line what is wrong with a command line: the field, what it got, what is allowed."""

import re

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from odvae.config import unknown_field

_NO_SUCH_FIELD = re.compile(
    r"Could not override '([^']+)'|Could not delete from config\. '([^']+)'"
)


def explain(error: Exception) -> str:
    """One line for an error of Hydra, OmegaConf, the file system, or our own."""
    match error:
        case MissingConfigException():
            return _no_such_choice(error)
        case OverrideParseException():
            reason = _first_line(error, but="Error parsing override")
            return f"{error.override!r} is not of the form field=value: {reason}"
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror} (output_dir says where results go)"
    no_such_field = _NO_SUCH_FIELD.match(str(error))
    if no_such_field is not None:
        return unknown_field(no_such_field[1] or no_such_field[2])
    root = _root(error)
    if isinstance(root, OmegaConfBaseException):
        field = f"{root.full_key}: " if root.full_key else ""
        return field + _first_line(root)
    return " ".join(str(error).split())


def _no_such_choice(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if not error.options:
        return _first_line(error)
    return f"{group} must be one of {', '.join(sorted(error.options))}, got {name!r}"


def _first_line(error: Exception, *, but: str = "\n") -> str:
    """The first line that does not start with ``but``; later ones are Hydra's inner names."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line.rstrip(" .") for line in lines if line and not line.startswith(but)), "")


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
