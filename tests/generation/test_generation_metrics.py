"""Distances of sets that differ in number; closed forms. Clips are (B, 3, T, H, W) in [-1, 1]."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.generation_metrics import (
    GenerationEvaluation,
    GenerationProtocol,
    classifier_at_hand,
)
from odvae.metrics import Missing, UntrainedR3d18

PROTOCOL = GenerationProtocol(samples=4, clip_frames=2)
CPU = torch.device("cpu")


class _MeanOf:
    """One feature: the mean of a clip."""

    name = "fvd"
    dimensions = 1

    def features(self, clips: Tensor) -> Tensor:
        return clips.double().mean(dim=(1, 2, 3, 4)).unsqueeze(1)


class _TwoClasses:
    """Bright clips are of one class, dark ones of the other, for certain."""

    def probabilities(self, clips: Tensor) -> Tensor:
        bright = (clips.mean(dim=(1, 2, 3, 4)) > 0).double()
        return torch.stack([bright, 1 - bright], dim=1)


def _clips(*means: float) -> Tensor:
    return torch.tensor(means).view(-1, 1, 1, 1, 1).expand(-1, 3, 2, 4, 4)


def test_distances_are_those_of_the_two_sets() -> None:
    """Of one feature: (difference of means)^2 + (difference of standard deviations)^2."""
    evaluation = GenerationEvaluation(PROTOCOL, [_MeanOf()], device=CPU)
    evaluation.add_real(_clips(-0.5, 0.5))
    evaluation.add_real(_clips(0.0))
    for mean in (0.1, 0.3):
        evaluation.add_samples(_clips(mean))
    scores = evaluation.result()
    assert list(scores.values()) == ["fvd_generation", "kvd_generation"]
    deviation = math.sqrt(0.02)
    assert_close(scores.distances["fvd_generation"], 0.2**2 + (0.5 - deviation) ** 2)

    def kernel(a: float, b: float) -> float:
        return (a * b + 1) ** 3

    within_real = (kernel(-0.5, 0.5) + kernel(-0.5, 0) + kernel(0.5, 0)) / 3
    across = [kernel(a, b) for a in (-0.5, 0.5, 0.0) for b in (0.1, 0.3)]
    expected = within_real + kernel(0.1, 0.3) - 2 * sum(across) / 6
    assert_close(scores.distances["kvd_generation"], expected, atol=1e-6, rtol=1e-5)
    assert (scores.real_clips, scores.samples) == (3, 2)
    assert scores.rank_deficient == ()
    assert scores.inception_score is None


def test_a_stand_in_has_a_name_of_its_own() -> None:
    clips = torch.rand(2, 3, 2, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    evaluation = GenerationEvaluation(PROTOCOL, [UntrainedR3d18()], device=CPU)
    evaluation.add_real(clips)
    evaluation.add_samples(clips)
    scores = evaluation.result()
    names = ["fvd_untrained_r3d18_generation", "kvd_untrained_r3d18_generation"]
    assert list(scores.distances) == names
    assert abs(scores.distances[names[0]]) < 1e-6
    assert scores.rank_deficient == (names[0],)


def test_the_inception_score_is_of_the_samples_alone() -> None:
    """Two certain and equally frequent classes: 2, where a split has as many of each."""
    evaluation = GenerationEvaluation(PROTOCOL, [], device=CPU, classifier=_TwoClasses())
    evaluation.add_real(_clips(0.5, 0.5))
    evaluation.add_samples(_clips(*[0.5, -0.5] * 10))
    scores = evaluation.result()
    assert scores.inception_score is not None
    assert (scores.inception_score.clips, scores.inception_score.splits) == (20, 10)
    assert_close(scores.values(), {"inception_score": 2.0})


def test_other_lengths_are_refused() -> None:
    evaluation = GenerationEvaluation(PROTOCOL, [_MeanOf()], device=CPU)
    with pytest.raises(UserError, match=r"clip_frames is 2, got clips of 3 frames$"):
        evaluation.add_samples(torch.zeros(1, 3, 3, 4, 4))
    with pytest.raises(UserError, match=r"^generation\.samples must be at least 2, got 1"):
        GenerationProtocol(samples=1, clip_frames=9)


def test_c3d_is_told_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODVAE_C3D", raising=False)
    short = classifier_at_hand(GenerationProtocol(samples=32, clip_frames=9))
    assert short == Missing("inception_score", "C3D needs clips of at least 16 frames, got 9")
    missing = classifier_at_hand(GenerationProtocol(samples=2048, clip_frames=81))
    assert isinstance(missing, Missing) and "ODVAE_C3D" in missing.reason
