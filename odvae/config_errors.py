"""Say in one line what is wrong with a command line: the field, what it got, what is allowed."""

import re

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from odvae.config import unknown_field

_NO_SUCH_FIELD = re.compile(
    r"Could not override '(?P<changed>[^']+)'"
    r"|Could not delete from config\. '(?P<deleted>[^']+)'"
)
_NO_SUCH_FIELD_IN_FILE = re.compile(
    r"In '(?P<file>[^']+)': ConfigKeyError raised while composing config:\s+"
    r"Key '[^']+' not in '[^']+'\s+full_key: (?P<field>\S+)\s+object_type=(?P<kind>\w+)"
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
    unknown = _NO_SUCH_FIELD.match(str(error)) or _NO_SUCH_FIELD_IN_FILE.match(str(error))
    if unknown is not None:
        return _unknown(unknown.groupdict())
    root = _root(error)
    if isinstance(root, OmegaConfBaseException):
        field = f"{root.full_key}: " if root.full_key else ""
        return field + _first_line(root)
    return " ".join(str(error).split())


def _unknown(said: dict[str, str]) -> str:
    if "file" in said:
        return "{file} sets {field}, which {kind} does not have".format(**said)
    name = said["changed"] or said["deleted"]
    if name.startswith("hydra."):
        return f"{name} is no field of Hydra's; --cfg hydra lists them"
    return unknown_field(name)


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
