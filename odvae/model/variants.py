"""The table of architectural variants (paper section 3.2, figure 2) and of operators.

SD-VAE's 2D convolutions become causal 3D ones in some parts of the network. "Outer" means the
two highest-resolution levels with the encoder's conv_in or the decoder's conv_out; "inner" means
the two lowest-resolution levels, the middle blocks and the encoder's conv_out or the decoder's
conv_in. To add a variant, add a row.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from odvae.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Which parts are 3D, and whether the network compresses time at all."""

    encoder_outer: bool
    encoder_inner: bool
    decoder_inner: bool
    decoder_outer: bool
    compresses_time: bool = True  # two space-time resamplers each way: 4x in time


# The paper numbers its variants from 1; what does not compress time stands below.
IMAGE = 0  # the 2D image VAE (SD-VAE's architecture): a video is a batch of frames to it
TEMPORAL_DECODER = -1  # the image VAE's encoder with a 3D decoder, the idea of SVD-VAE

VARIANTS: dict[int, Variant] = {
    TEMPORAL_DECODER: Variant(
        encoder_outer=False,
        encoder_inner=False,
        decoder_inner=True,
        decoder_outer=True,
        compresses_time=False,
    ),
    IMAGE: Variant(
        encoder_outer=False,
        encoder_inner=False,
        decoder_inner=False,
        decoder_outer=False,
        compresses_time=False,
    ),
    1: Variant(encoder_outer=True, encoder_inner=True, decoder_inner=True, decoder_outer=True),
    2: Variant(encoder_outer=True, encoder_inner=False, decoder_inner=False, decoder_outer=True),
    3: Variant(encoder_outer=False, encoder_inner=True, decoder_inner=True, decoder_outer=False),
    4: Variant(encoder_outer=False, encoder_inner=True, decoder_inner=True, decoder_outer=True),
}

_TITLES = {IMAGE: "image VAE", TEMPORAL_DECODER: "image VAE with a 3D decoder"}


def title(variant: int) -> str:
    """What a row is called."""
    return _TITLES.get(variant, f"variant {variant}")


VIDEO_VARIANTS = [number for number, row in VARIANTS.items() if row.compresses_time]


_Choice = TypeVar("_Choice", bound=Enum)


def member(choices: type[_Choice], value: _Choice | str, *, field: str) -> _Choice:
    """The member of an enumeration by its value. Raises UserError, naming the field."""
    try:
        return choices(value)
    except ValueError as error:
        allowed = ", ".join(str(choice.value) for choice in choices)
        raise UserError(f"{field} must be one of {allowed}, got {value!r}") from error


class Operators(Enum):
    """The operators that decide causality."""

    paper = "paper"  # the released model's: norms over the whole clip, trilinear upsampling
    strict = "strict"  # ours: norms per frame, nearest upsampling; strictly causal
    # Norms per frame, trilinear upsampling: causal but for one latent of look-ahead.
    strict_trilinear = "strict_trilinear"


@dataclass(frozen=True, kw_only=True)
class OperatorRow:
    """What a choice of operators means for the layers."""

    norm_per_frame: bool
    trilinear: bool


OPERATORS: dict[Operators, OperatorRow] = {
    Operators.paper: OperatorRow(norm_per_frame=False, trilinear=True),
    Operators.strict: OperatorRow(norm_per_frame=True, trilinear=False),
    Operators.strict_trilinear: OperatorRow(norm_per_frame=True, trilinear=True),
}
