"""Strict comparison of a state dict with what a model expects."""

from collections.abc import Mapping

from odvae.errors import UserError

Shapes = Mapping[str, tuple[int, ...]]
_LISTED = 6  # names of each kind shown in the message


def check_shapes(*, expected: Shapes, got: Shapes, what: str) -> None:
    """Raise UserError that lists missing, unexpected and mis-shaped tensors, if there are any."""
    missing = sorted(expected.keys() - got.keys())
    unexpected = sorted(got.keys() - expected.keys())
    misshaped = sorted(
        f"{name} {got[name]} instead of {expected[name]}"
        for name in expected.keys() & got.keys()
        if expected[name] != got[name]
    )
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
    complaints = [f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds.items() if names]
    if complaints:
        raise UserError(f"{what} does not fit the model: {'; '.join(complaints)}")


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
