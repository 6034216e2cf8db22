"""A file of weights: what it is by its first bytes, and the tensors of a safetensors file."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from odvae.errors import UserError

# What stands at the beginning of files that are no weights; compared in lower case.
_NO_WEIGHTS = {
    b"version https://git-lfs": "a git-lfs pointer, not the weights; fetch them with git lfs pull",
    b"<": "a web page, not weights; was the download refused?",
    b"{": "a text, not weights; was the download refused?",
}
# What the library raises over damaged files.
_UNREADABLE = (
    ArithmeticError,
    LookupError,
    MemoryError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)


def is_safetensors(file: Path) -> bool:
    """Whether a file is one, told by its first bytes, since names of files mislead.

    Raises:
        UserError: it is plainly no file of weights of any kind, or cannot be read.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    if not head:
        raise UserError(f"{file}: an empty file")
    if b"\0" in head[:8] and head[8:9] == b"{":  # the length of the header, the header
        return True
    for beginning, problem in _NO_WEIGHTS.items():
        if head.lstrip().lower().startswith(beginning):
            raise UserError(f"{file}: {problem}")
    return False


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises UserError for any other, or a damaged one."""
    if not is_safetensors(file):
        raise UserError(f"{file}: damaged, or not safetensors")
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror or error})") from error
    except _UNREADABLE as error:
        raise UserError(f"{file}: damaged, or not safetensors") from error
    return tensors
