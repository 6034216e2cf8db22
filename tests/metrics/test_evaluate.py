"""An evaluation: what is averaged over what, what is missing, and what a broken clip does."""

import math
from collections.abc import Sequence
from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics import (
    Evaluation,
    EvaluationResult,
    MetricsConfig,
    OriginalFeatures,
    ProtocolConfig,
    Scorers,
    available,
    by_position,
    flicker,
    frechet_distance,
    psnr_db,
    ssim,
)
from odvae.metrics.moments import Moments


class ToyFeatures:
    """Mean colour and contrast of a clip; counts how many clips it has looked at."""

    name = "frechet_toy"
    dimensions = 4

    def __init__(self) -> None:
        self.seen = 0

    def features(self, clips: Tensor) -> Tensor:
        self.seen += len(clips)
        means = clips.double().mean(dim=(2, 3, 4))
        return torch.cat([means, clips.double().std(dim=(1, 2, 3, 4))[:, None]], dim=1)


class ToyDistance:
    """Mean absolute difference of a frame."""

    name = "toy"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean(dim=(1, 3, 4))


@pytest.fixture
def toys() -> Scorers:
    return Scorers(
        (ToyDistance(),), (ToyFeatures(),), torch.device("cpu"), motion={"flicker": flicker}
    )


@pytest.fixture
def reconstruction(clips: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    sigma = torch.linspace(0.02, 0.4, 6).view(6, 1, 1, 1, 1)
    return clips + sigma * torch.randn(clips.shape, generator=generator)


def evaluate(
    scorers: Scorers, original: Tensor, reconstruction: Tensor, batches: Sequence[int]
) -> EvaluationResult:
    evaluation = Evaluation(scorers)
    start = 0
    for size in batches:
        part = slice(start, start + size)
        ids = [f"clip{index}" for index in range(start, start + size)]
        evaluation.add(ids, original[part], reconstruction[part])
        start += size
    return evaluation.result()


def test_means_are_over_frames_then_clips(
    toys: Scorers, clips: Tensor, reconstruction: Tensor
) -> None:
    result = evaluate(toys, clips, reconstruction, [6])
    values = result.values()
    by_frame = {
        "psnr_db": psnr_db(clips, reconstruction),
        "ssim": ssim(clips, reconstruction),
        "toy": ToyDistance()(clips, reconstruction),
        "flicker": flicker(clips, reconstruction),
    }
    assert set(result.by_frame) == set(by_frame)
    for name, scores in by_frame.items():
        assert values[name] == pytest.approx(scores.double().mean(dim=1).mean().item())
        assert result.by_frame[name] == pytest.approx(scores.double().mean(dim=0).tolist())
        for row, of_clip in zip(result.per_clip, scores, strict=True):
            assert row.frames[name] == pytest.approx(of_clip.tolist())
            assert row.values()[name] == pytest.approx(of_clip.double().mean().item())
    assert result.psnr_db == values["psnr_db"]
    assert [row.clip_id for row in result.per_clip] == [f"clip{index}" for index in range(6)]
    assert result.clips == 6 and result.clip_shape == (3, 9, 48, 48)
    assert not result.rank_deficient and not result.missing and not result.non_finite_clips


def test_a_score_of_two_frames_stands_at_the_later_one(
    toys: Scorers, clips: Tensor, reconstruction: Tensor
) -> None:
    assert by_position({"a": [1, 2, 3], "b": [5, 6]}) == [
        {"a": 1},
        {"a": 2, "b": 5},
        {"a": 3, "b": 6},
    ]
    result = evaluate(toys, clips, reconstruction, [6])
    positions = result.values_by_position()
    assert len(positions) == 9
    assert set(positions[0]) == {"psnr_db_by_frame", "ssim_by_frame", "toy_by_frame"}
    assert positions[4]["psnr_db_by_frame"] == result.by_frame["psnr_db"][4]
    assert positions[4]["flicker_by_frame"] == result.by_frame["flicker"][3]


def test_images_are_scored_without_flicker(toys: Scorers, clips: Tensor) -> None:
    scorers, missing = available(
        MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=[])), clip_shape=(1, 48, 48)
    )
    assert [(row.name, row.reason) for row in missing] == [
        ("flicker", "flicker needs clips of at least 2 frames, got 1")
    ]
    images = clips[:, :, :1]
    assert evaluate(scorers, images, images, [6]).by_frame == {
        "psnr_db": [100],
        "ssim": [pytest.approx(1)],
    }
    with pytest.raises(UserError, match="flicker needs clips of at least 2 frames"):
        Evaluation(toys).add(["a"], images[:1], images[:1])


def test_frechet_is_that_of_the_whole_set(
    toys: Scorers, clips: Tensor, reconstruction: Tensor
) -> None:
    result = evaluate(toys, clips, reconstruction, [2, 2, 2])
    network = ToyFeatures()
    sides = (Moments.of(network.features(x)) for x in (clips, reconstruction))
    whole = frechet_distance(*sides)
    assert result.values()["frechet_toy"] == pytest.approx(whole)
    assert set(result.values()) == {*toys.names}
    assert toys.names == ("psnr_db", "ssim", "toy", "flicker", "frechet_toy", "kvd_toy")


@pytest.mark.usefixtures("bare_computer")
def test_batches_of_any_sizes_equal_one_batch(clips: Tensor, reconstruction: Tensor) -> None:
    """With real networks, and a last batch smaller than the others."""
    scorers, _ = available(MetricsConfig())
    small, other = (x[:, :, :5, :24, :24] for x in (clips, reconstruction))
    whole = evaluate(scorers, small, other, [6])
    for batches in ([4, 2], [5, 1]):
        parts = evaluate(scorers, small, other, batches)
        assert parts.values() == pytest.approx(whole.values(), rel=1e-5)
        for name in ("psnr_db", "ssim", "flicker"):
            assert parts.values()[name] == whole.values()[name]


def test_originals_are_looked_at_once(toys: Scorers, clips: Tensor, reconstruction: Tensor) -> None:
    originals = OriginalFeatures()
    ids = [str(index) for index in range(6)]
    (network,) = toys.frechet
    assert isinstance(network, ToyFeatures)
    results = []
    for other in (reconstruction, clips):
        evaluation = Evaluation(toys, originals=originals)
        evaluation.add(ids, clips, other)
        results.append(evaluation.result())
    assert network.seen == 3 * 6  # originals once, reconstructions twice
    assert results[0].values() == evaluate(toys, clips, reconstruction, [6]).values()
    assert results[1].values()["frechet_toy"] == pytest.approx(0, abs=1e-12)


def test_another_crop_of_the_same_id_is_looked_at_anew(toys: Scorers, clips: Tensor) -> None:
    originals = OriginalFeatures()
    (network,) = toys.frechet
    first = originals.rows(network, ["a"], clips[:1])
    second = originals.rows(network, ["a"], clips[:1, ..., :32])
    assert not torch.equal(first, second)


def test_a_perfect_reconstruction_scores_perfectly(toys: Scorers, clips: Tensor) -> None:
    result = evaluate(toys, clips, clips, [6])
    assert result.psnr_db == 100
    assert result.values()["ssim"] == pytest.approx(1)
    assert result.values()["flicker"] == 0
    assert result.values()["frechet_toy"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_broken_reconstruction_is_reported_not_hidden(
    toys: Scorers, clips: Tensor, value: float
) -> None:
    broken = clips.clone()
    broken[4, 0, 2, 10, 10] = value
    result = evaluate(toys, clips, broken, [6])
    assert result.non_finite_clips == ["clip4"]
    for name in ("psnr_db", "ssim", "flicker"):
        assert math.isnan(result.values()[name])
        of_clips = [math.isnan(row.values()[name]) for row in result.per_clip]
        assert of_clips == [False] * 4 + [True, False]
    frames = [math.isnan(value) for value in result.by_frame["psnr_db"]]
    assert frames == [position == 2 for position in range(9)]
    assert [row.finite for row in result.per_clip] == [True] * 4 + [False, True]
    assert math.isnan(result.values()["frechet_toy"])


def test_one_clip_has_no_frechet_distance_and_says_so(toys: Scorers, clips: Tensor) -> None:
    result = evaluate(toys, clips, clips, [1])
    assert "frechet_toy" not in result.values()
    assert [(row.name, "at least 2 clips" in row.reason) for row in result.missing] == [
        ("frechet_toy", True),
        ("kvd_toy", True),
    ]


def test_an_original_in_another_range_is_refused(toys: Scorers, clips: Tensor) -> None:
    with pytest.raises(ValueError, match=r"in \[-1, 1\], got"):
        Evaluation(toys).add(["a"], (clips[:1] + 1) * 127.5, clips[:1])
    with pytest.raises(ValueError, match=r"in \[-1, 1\], got"):
        Evaluation(toys).add(["a"], clips[:1] * torch.nan, clips[:1])


def test_a_clip_counts_once(toys: Scorers, clips: Tensor) -> None:
    evaluation = Evaluation(toys)
    evaluation.add(["a"], clips[:1], clips[:1])
    with pytest.raises(ValueError, match="a clip counts once"):
        evaluation.add(["b", "a"], clips[:2], clips[:2])
    with pytest.raises(ValueError, match="a clip counts once"):
        evaluation.add(["c", "c"], clips[:2], clips[:2])
    assert evaluation.result().clips == 1


def test_shapes_and_ids_must_match(toys: Scorers, clips: Tensor) -> None:
    evaluation = Evaluation(toys)
    with pytest.raises(ValueError, match="at least one clip"):
        evaluation.result()
    with pytest.raises(ValueError, match="one clip id a clip, got 1 and 2"):
        evaluation.add(["a"], clips[:2], clips[:2])
    evaluation.add(["a"], clips[:1], clips[:1])
    with pytest.raises(ValueError, match="clips must all be"):
        evaluation.add(["b"], clips[:1, :, :5], clips[:1, :, :5])


def test_precision_of_the_caller_does_not_matter(
    toys: Scorers, clips: Tensor, reconstruction: Tensor
) -> None:
    expected = evaluate(toys, clips, reconstruction, [6])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert evaluate(toys, clips, reconstruction, [6]).values() == expected.values()
    again = evaluate(toys, clips, reconstruction.requires_grad_(), [6])
    assert again.values() == expected.values()


def test_scores_of_a_clip_are_plain_data(toys: Scorers, clips: Tensor) -> None:
    plain = asdict(evaluate(toys, clips, clips, [6]).per_clip[0])
    assert plain["frames"]["toy"] == [0] * 9
