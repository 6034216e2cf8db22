"""What is compared with what: by clip, and by seed where seeds are shared."""

import math

import numpy as np
import pytest

from odvae.comparison.paired import pair
from odvae.errors import UserError
from tests.comparison.made_levels import level


def test_clips_are_joined_by_name_not_by_place() -> None:
    ours = level("b", s0={"x": 1.0, "y": 2.0})
    theirs = level("a", s0={"y": 1.5, "x": 0.25})
    paired = pair(ours, theirs, metric="psnr_db")
    assert paired.clips == ["x", "y"]
    np.testing.assert_array_equal(paired.differences, [0.75, 0.5])


def test_seeds_are_joined_by_name_too() -> None:
    ours = level("b", s0={"x": 1.0, "y": 2.0}, s1={"x": 10.0, "y": 20.0})
    theirs = level("a", s1={"x": 9.0, "y": 18.0}, s0={"x": 0.5, "y": 1.5})
    paired = pair(ours, theirs, metric="psnr_db")
    assert paired.by_seed
    (differences,) = paired.over_seeds
    np.testing.assert_array_equal(differences, [[0.5, 1.0], [0.5, 2.0]])
    np.testing.assert_array_equal(paired.differences, [0.75, 1.25])


def test_other_seeds_are_each_sides_own() -> None:
    ours = level("b", s0={"x": 1.0}, s1={"x": 3.0})
    theirs = level("a", s0={"x": 0.5})
    paired = pair(ours, theirs, metric="psnr_db")
    assert not paired.by_seed
    np.testing.assert_array_equal(paired.differences, [1.5])
    assert [values.tolist() for values in paired.over_seeds] == [[[1.0, 3.0]], [[-0.5]]]
    assert sum(values.mean(axis=1) for values in paired.over_seeds) == paired.differences


def test_clips_of_one_side_are_left_out_and_counted() -> None:
    ours = level("b", s0={"x": 1.0, "y": 2.0}, s1={"x": 1.0, "y": 2.0, "z": 3.0})
    theirs = level("a", s0={"x": 1.0, "w": 2.0}, s1={"x": 1.0, "w": 2.0})
    paired = pair(ours, theirs, metric="psnr_db")
    assert (paired.clips, paired.not_shared) == (["x"], 2)  # z is no clip of every seed


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_broken_clips_are_left_out_and_named(broken: float) -> None:
    ours = level("b", s0={"x": 1.0, "y": broken})
    theirs = level("a", s0={"x": 0.5, "y": 1.0})
    paired = pair(ours, theirs, metric="psnr_db")
    assert (paired.clips, paired.not_finite) == (["x"], ["y"])


def test_nothing_in_common_is_an_error() -> None:
    ours, theirs = level("b", s0={"x": 1.0}), level("a", s0={"y": 1.0})
    with pytest.raises(UserError, match="b and a share no clip"):
        pair(ours, theirs, metric="psnr_db")
    with pytest.raises(UserError, match="no finite psnr_db on any"):
        pair(ours, level("a", s0={"x": math.nan}), metric="psnr_db")


def test_a_clip_counts_once() -> None:
    twice = level("b", s0={"x": 1.0})
    frame = twice.scores["0"]
    with pytest.raises(ValueError, match="counts once"):
        pair(type(twice)("b", {"0": frame.loc[[0, 0]]}), twice, metric="psnr_db")
