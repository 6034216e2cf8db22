"""Metrics of video reconstructions. Clips are (B, C, T, H, W) in [-1, 1].

PSNR and SSIM are those of single frames on [0, 1], LPIPS that of single frames on [-1, 1], averaged
over the frames of a clip and then over clips; flicker and the warped error are of pairs of frames;
FVD is that of the whole set.
"""

from odvae.metrics.equivalence import Equivalence, EquivalenceResult
from odvae.metrics.evaluate import Evaluation, OriginalFeatures
from odvae.metrics.feature_networks import FEATURE_NETWORKS
from odvae.metrics.feature_sets import FeatureSets, FrechetResult
from odvae.metrics.flicker import flicker
from odvae.metrics.frechet import frechet_distance, frechet_distance_of
from odvae.metrics.frechet_features import FeatureNetwork, I3d, UntrainedR3d18
from odvae.metrics.lpips import (
    Lpips,
    LpipsBackbone,
    LpipsMode,
    UntrainedPerceptual,
    weights_at_hand,
)
from odvae.metrics.protocol import PosteriorPoint, ProtocolConfig, Stamp
from odvae.metrics.psnr import psnr_db
from odvae.metrics.references import REFERENCES
from odvae.metrics.results import ClipScores, EvaluationResult, by_position
from odvae.metrics.scorers import MetricsConfig, Missing, PerceptualMetric, Scorers, available
from odvae.metrics.ssim import ssim
from odvae.metrics.warped_error import FlowNetwork, Raft, WarpedError
from odvae.metrics.weights import WeightsMissing

__all__ = [
    "FEATURE_NETWORKS",
    "REFERENCES",
    "ClipScores",
    "Equivalence",
    "EquivalenceResult",
    "Evaluation",
    "EvaluationResult",
    "FeatureNetwork",
    "FeatureSets",
    "FlowNetwork",
    "FrechetResult",
    "I3d",
    "Lpips",
    "LpipsBackbone",
    "LpipsMode",
    "MetricsConfig",
    "Missing",
    "OriginalFeatures",
    "PerceptualMetric",
    "PosteriorPoint",
    "ProtocolConfig",
    "Raft",
    "Scorers",
    "Stamp",
    "UntrainedPerceptual",
    "UntrainedR3d18",
    "WarpedError",
    "WeightsMissing",
    "available",
    "by_position",
    "flicker",
    "frechet_distance",
    "frechet_distance_of",
    "psnr_db",
    "ssim",
    "weights_at_hand",
]
