"""An evaluation: what is averaged over what, what is missing, and what a broken clip does."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics import (
    Evaluation,
    EvaluationResult,
    LpipsBackbone,
    MetricsConfig,
    OriginalFeatures,
    Scorers,
    available,
    frechet_distance,
    psnr_db,
    ssim,
)


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
    return Scorers((ToyDistance(),), (ToyFeatures(),), torch.device("cpu"))


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
    by_frame = psnr_db(clips, reconstruction)
    assert result.psnr_db == pytest.approx(by_frame.mean(dim=1).mean().item())
    assert result.psnr_db_by_frame == pytest.approx(by_frame.mean(dim=0).tolist())
    assert result.ssim == pytest.approx(ssim(clips, reconstruction).mean().item())
    toy = (clips - reconstruction).abs().mean().item()
    assert result.perceptual == {"toy": pytest.approx(toy, rel=1e-5)}
    assert [row.clip_id for row in result.per_clip] == [f"clip{index}" for index in range(6)]
    assert result.per_clip[3].psnr_db == pytest.approx(by_frame[3].mean().item())
    assert result.clips == 6 and result.clip_shape == (3, 9, 48, 48)
    assert not result.rank_deficient and not result.missing and not result.non_finite_clips


def test_frechet_is_that_of_the_whole_set(
    toys: Scorers, clips: Tensor, reconstruction: Tensor
) -> None:
    result = evaluate(toys, clips, reconstruction, [2, 2, 2])
    network = ToyFeatures()
    whole = frechet_distance(network.features(clips), network.features(reconstruction))
    assert result.frechet == {"frechet_toy": pytest.approx(whole)}
    assert set(result.values()) == {*toys.names} == {"psnr_db", "ssim", "toy", "frechet_toy"}


@pytest.mark.usefixtures("bare_computer")
def test_batches_of_any_sizes_equal_one_batch(clips: Tensor, reconstruction: Tensor) -> None:
    """With real networks, and a last batch smaller than the others."""
    scorers, _ = available(MetricsConfig())
    small, other = (x[:, :, :5, :24, :24] for x in (clips, reconstruction))
    whole = evaluate(scorers, small, other, [6])
    for batches in ([4, 2], [5, 1]):
        parts = evaluate(scorers, small, other, batches)
        assert parts.values() == pytest.approx(whole.values(), rel=1e-5)
        assert parts.psnr_db == whole.psnr_db and parts.ssim == whole.ssim


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
    assert results[1].frechet["frechet_toy"] == pytest.approx(0, abs=1e-12)


def test_another_crop_of_the_same_id_is_looked_at_anew(toys: Scorers, clips: Tensor) -> None:
    originals = OriginalFeatures()
    (network,) = toys.frechet
    first = originals.rows(network, ["a"], clips[:1])
    second = originals.rows(network, ["a"], clips[:1, ..., :32])
    assert not torch.equal(first, second)


def test_a_perfect_reconstruction_scores_perfectly(toys: Scorers, clips: Tensor) -> None:
    result = evaluate(toys, clips, clips, [6])
    assert result.psnr_db == 100
    assert result.ssim == pytest.approx(1)
    assert result.values()["frechet_toy"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_broken_reconstruction_is_reported_not_hidden(
    toys: Scorers, clips: Tensor, value: float
) -> None:
    broken = clips.clone()
    broken[4, 0, 2, 10, 10] = value
    result = evaluate(toys, clips, broken, [6])
    assert result.non_finite_clips == ["clip4"]
    assert math.isnan(result.psnr_db) and math.isnan(result.ssim)
    assert [math.isnan(row.psnr_db) for row in result.per_clip] == [False] * 4 + [True, False]
    assert [row.finite for row in result.per_clip] == [True] * 4 + [False, True]
    assert math.isnan(result.frechet["frechet_toy"])


def test_one_clip_has_no_frechet_distance_and_says_so(toys: Scorers, clips: Tensor) -> None:
    result = evaluate(toys, clips, clips, [1])
    assert result.frechet == {} and result.rank_deficient
    assert [(row.name, "at least 2 clips" in row.reason) for row in result.missing] == [
        ("frechet_toy", True)
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


@pytest.mark.usefixtures("bare_computer")
def test_without_weights_stand_ins_are_used_under_their_own_names() -> None:
    scorers, missing = available(MetricsConfig())
    assert scorers.names == (
        "psnr_db",
        "ssim",
        "perceptual_untrained_squeeze",
        "fvd_untrained_r3d18",
    )
    assert [row.name for row in missing] == ["lpips_alex", "lpips_squeeze", "fvd"]
    assert all("ODVAE_WEIGHTS" in row.reason for row in missing)


@pytest.mark.usefixtures("squeezenet")
def test_one_backbone_is_enough_to_need_no_stand_in() -> None:
    config = MetricsConfig(lpips=[LpipsBackbone.squeeze], frechet=False)
    scorers, missing = available(config)
    assert scorers.names == ("psnr_db", "ssim", "lpips_squeeze")
    assert missing == []


@pytest.mark.usefixtures("bare_computer")
def test_what_is_not_wanted_is_neither_missing_nor_replaced() -> None:
    scorers, missing = available(MetricsConfig(lpips=[], frechet=False))
    assert scorers.names == ("psnr_db", "ssim") and missing == []


@pytest.mark.usefixtures("bare_computer")
def test_clips_too_small_or_short_are_known_from_the_start() -> None:
    scorers, missing = available(MetricsConfig(), clip_shape=(9, 16, 16))
    reasons = {row.name: row.reason for row in missing}
    assert scorers.names == ("psnr_db", "ssim", "fvd_untrained_r3d18")
    assert "at least 31 px, got 16x16" in reasons["lpips_alex"]
    assert "at least 17 px" in reasons["perceptual_untrained_squeeze"]
    assert "at least 10 frames, got 9" in reasons["fvd"]


def test_config_goes_through_omegaconf(tmp_path: Path) -> None:
    schema = OmegaConf.structured(MetricsConfig)
    merged = OmegaConf.merge(schema, OmegaConf.from_dotlist(["lpips=[vgg]", "frechet=false"]))
    assert OmegaConf.to_object(merged) == MetricsConfig(lpips=[LpipsBackbone.vgg], frechet=False)
    assert MetricsConfig().lpips == [LpipsBackbone.alex, LpipsBackbone.squeeze]


def test_a_backbone_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"metrics\.lpips must name each backbone once"):
        MetricsConfig(lpips=[LpipsBackbone.alex, LpipsBackbone.alex])


def test_a_result_is_plain_data(toys: Scorers, clips: Tensor) -> None:
    plain = asdict(evaluate(toys, clips, clips, [6]))
    assert plain["per_clip"][0]["perceptual"]["toy"] == 0
