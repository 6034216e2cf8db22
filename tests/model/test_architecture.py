"""What fixes a model's shape, and how a wrong value is refused."""

import re

import pytest

from odvae.errors import UserError
from odvae.model import (
    IMAGE,
    ODVAE,
    TEMPORAL_DECODER,
    VARIANTS,
    VIDEO_VARIANTS,
    Architecture,
    Operators,
)


@pytest.mark.parametrize(
    ("norm_groups", "width", "groups"),
    [(32, 128, 32), ("32", 32, 32), ("channels/4", 8, 2), ("channels/8", 8, 1), (1, 7, 1)],
)
def test_norm_groups(norm_groups: int | str, width: int, groups: int) -> None:
    assert Architecture(width=width, norm_groups=norm_groups).groups(width) == groups


def test_channels_of_a_group_are_constant_across_levels() -> None:
    architecture = Architecture(width=16, norm_groups="channels/4")
    assert [architecture.groups(c) for c in (16, 32, 64)] == [4, 8, 16]


@pytest.mark.parametrize(
    "spec", [0, -1, "", "many", "channels/0", "channels/", "channels/-4", "1.5"]
)
def test_malformed_norm_groups(spec: int | str) -> None:
    expected = re.escape(f"norm_groups must be a number or 'channels/N', got {str(spec)!r}")
    with pytest.raises(UserError, match=expected):
        Architecture(norm_groups=spec)


@pytest.mark.parametrize(
    ("spec", "width"),
    [(32, 16), (3, 32), ("channels/16", 8), ("channels/3", 32), ("channels/3", 8)],
)
def test_norm_groups_that_do_not_divide(spec: int | str, width: int) -> None:
    with pytest.raises(UserError, match=f"norm_groups={spec} does not divide .* width {width}"):
        Architecture(norm_groups=spec, width=width)


def test_channels_of_a_group_must_divide_the_channels() -> None:
    with pytest.raises(UserError, match="norm_groups=channels/7 does not divide"):
        Architecture(norm_groups="channels/7", width=8)


def test_unknown_variant() -> None:
    with pytest.raises(
        UserError, match=re.escape("variant must be one of [-1, 0, 1, 2, 3, 4], got 7")
    ):
        ODVAE.variant(7)


def test_sizes_below_one() -> None:
    with pytest.raises(UserError, match="width must be at least 1, got 0"):
        Architecture(width=0)
    with pytest.raises(UserError, match="blocks must be at least 1, got 0"):
        Architecture(blocks=0)
    with pytest.raises(UserError, match="latent_channels must be at least 1, got -1"):
        Architecture(latent_channels=-1)


def test_the_table_of_variants() -> None:
    """Section 3.2 of the paper, in the order of the fields of a row."""
    rows = {
        number: (row.encoder_outer, row.encoder_inner, row.decoder_inner, row.decoder_outer)
        for number, row in VARIANTS.items()
    }
    assert rows == {
        TEMPORAL_DECODER: (False, False, True, True),
        IMAGE: (False, False, False, False),
        1: (True, True, True, True),
        2: (True, False, False, True),
        3: (False, True, True, False),
        4: (False, True, True, True),
    }
    assert VIDEO_VARIANTS == [1, 2, 3, 4]


def test_operators_by_name() -> None:
    vae = ODVAE.variant(4, width=8, norm_groups="channels/4", operators="strict")
    assert vae.architecture.operators is Operators.strict
