"""The Inception Score against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from odvae.metrics.inception_score import InceptionScore, inception_score


def certain(clips: int, classes: int) -> Tensor:
    """Clips of all classes in turn, each told with certainty."""
    return torch.eye(classes, dtype=torch.float64)[torch.arange(clips) % classes]


@pytest.mark.parametrize(("classes", "splits"), [(2, 1), (10, 10), (101, 4)])
def test_certain_and_even_classes_score_their_number(classes: int, splits: int) -> None:
    mean, std = inception_score(certain(classes * splits * 2, classes), splits=splits)
    assert mean == pytest.approx(classes, rel=1e-12)
    assert std == pytest.approx(0, abs=1e-9)


def test_clips_that_all_look_alike_score_one() -> None:
    row = torch.tensor([0.5, 0.25, 0.25, 0.0]).double()
    assert inception_score(row.repeat(30, 1)) == pytest.approx((1, 0), abs=1e-12)


def test_two_kinds_of_clips_have_a_closed_form() -> None:
    """Half the clips p, half 1 - p: log 2 less the entropy of p."""
    p = 0.9
    rows = torch.tensor([[p, 1 - p], [1 - p, p]], dtype=torch.float64).repeat(10, 1)
    entropy = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    mean, _ = inception_score(rows, splits=5)
    assert mean == pytest.approx(2 * math.exp(-entropy), rel=1e-12)


def test_splits_are_scored_alone_and_averaged() -> None:
    """Clips sorted by class: each split knows one class, or two."""
    mean, std = inception_score(certain(4, 2)[[0, 2, 0, 1]], splits=2)
    assert mean == pytest.approx(1.5) and std == pytest.approx(0.5)


def test_splits_that_do_not_divide_use_all_clips() -> None:
    rows = torch.rand(7, 3, generator=torch.Generator().manual_seed(0)).double()
    rows = rows / rows.sum(dim=1, keepdim=True)
    parts = [inception_score(part, splits=1)[0] for part in (rows[:2], rows[2:4], rows[4:])]
    assert inception_score(rows, splits=3)[0] == pytest.approx(sum(parts) / 3)


def test_batches_add_up_to_the_set() -> None:
    rows = torch.rand(50, 6, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    score = InceptionScore()
    for part in rows.split(7):
        score.add(part)
    result = score.result()
    assert (result.mean, result.std) == inception_score(rows)
    assert (result.clips, result.splits) == (50, 10)


def test_broken_probabilities_give_nan() -> None:
    rows = certain(4, 2)
    rows[1, 1] = torch.nan
    assert all(map(math.isnan, inception_score(rows, splits=2)))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"splits must be in 1\.\.4, .* got 10"):
        inception_score(certain(4, 2))
    with pytest.raises(ValueError, match=r"splits must be in 1\.\.0"):
        InceptionScore().result()
    with pytest.raises(ValueError, match="sum to 1"):
        inception_score(torch.zeros(4, 2), splits=2)
    with pytest.raises(ValueError, match=r"\(N, K\), got \(4,\)"):
        inception_score(torch.zeros(4), splits=2)
