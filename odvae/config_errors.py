"""Say in one line what is wrong with a command line: the field, what it got, what is allowed."""

import difflib
import re
from collections.abc import Iterator

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from odvae.config import RunConfig

_KEY = re.compile(r"Key '([^']+)'|Could not override '([^']+)'")


def explain(error: Exception) -> str:
    """One line for an error of Hydra, OmegaConf, the file system, or our own."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    root = _root(error)
    text = " ".join(str(root if isinstance(root, OmegaConfBaseException) else error).split())
    text = re.sub(r"full_key: (\S+)", r"(field \1)", text)
    text = re.sub(r" ?(reference_type|object_type)=\S+| Set hydra\.searchpath.*", "", text)
    match = re.match(r"Could not override '([^']+)'", " ".join(str(error).split()))
    if match is not None:
        return f"{match[1]} is no field of a run{_nearest(match[1])}"
    return text


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _nearest(key: str) -> str:
    near = difflib.get_close_matches(key, list(_fields()), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else "; --help lists all fields"


def _fields() -> Iterator[str]:
    """Dotted names of all fields."""

    def walk(node: object, prefix: str) -> Iterator[str]:
        if OmegaConf.is_dict(node):
            for key in node:  # type: ignore[attr-defined]
                yield from walk(node._get_node(key), f"{prefix}{key}.")  # type: ignore[attr-defined]
        else:
            yield prefix.rstrip(".")

    return walk(OmegaConf.structured(RunConfig), "")
