"""Which runs a user of a command wants."""

from collections.abc import Sequence

from odvae.errors import UserError


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Columns and the values they must have, from texts such as ``preset=gpu``.

    Raises:
        UserError: a text has no ``=``, or a column is named twice.
    """
    found = dict(text.split("=", 1) for text in texts if "=" in text)
    if len(found) < len(texts):
        raise UserError(f"--only needs COLUMN=VALUE, each column once, got {' '.join(texts)}")
    return found
