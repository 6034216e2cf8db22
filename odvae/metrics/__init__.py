"""Metrics of video reconstructions. Clips are (B, C, T, H, W) in [-1, 1].

PSNR and SSIM are those of single frames on [0, 1], LPIPS that of single frames on [-1, 1], averaged
over the frames of a clip and then over clips; FVD is that of the whole set.
"""

from odvae.metrics.equivalence import Equivalence, EquivalenceResult
from odvae.metrics.evaluate import ClipScores, Evaluation, EvaluationResult, OriginalFeatures
from odvae.metrics.frechet import frechet_distance
from odvae.metrics.frechet_features import FeatureNetwork, I3d, UntrainedR3d18
from odvae.metrics.lpips import (
    Lpips,
    LpipsBackbone,
    UntrainedPerceptual,
    weights_at_hand,
)
from odvae.metrics.psnr import psnr_db
from odvae.metrics.references import REFERENCES
from odvae.metrics.scorers import MetricsConfig, Missing, PerceptualMetric, Scorers, available
from odvae.metrics.ssim import ssim
from odvae.metrics.weights import WeightsMissing

__all__ = [
    "REFERENCES",
    "ClipScores",
    "Equivalence",
    "EquivalenceResult",
    "Evaluation",
    "EvaluationResult",
    "FeatureNetwork",
    "I3d",
    "Lpips",
    "LpipsBackbone",
    "MetricsConfig",
    "Missing",
    "OriginalFeatures",
    "PerceptualMetric",
    "Scorers",
    "UntrainedPerceptual",
    "UntrainedR3d18",
    "WeightsMissing",
    "available",
    "frechet_distance",
    "psnr_db",
    "ssim",
    "weights_at_hand",
]
