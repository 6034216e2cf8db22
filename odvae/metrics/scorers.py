"""Which metrics a run computes: what was asked for, what is available, what stands in for it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from odvae.metrics.crosscheck import CROSSCHECKS
from odvae.metrics.feature_networks import FEATURE_NETWORKS
from odvae.metrics.flicker import flicker, needs_two_frames
from odvae.metrics.frechet_features import FeatureNetwork, UntrainedR3d18, kernel_name
from odvae.metrics.lpips import Lpips, UntrainedPerceptual, lpips_name, min_size_px
from odvae.metrics.protocol import ProtocolConfig
from odvae.metrics.warped_error import Raft, WarpedError, refusal
from odvae.metrics.weights import WeightsMissing

MotionMetric = Callable[[Tensor, Tensor], Tensor]
"""Scores (B, T - 1) of each frame with the one before it, of an original and a reconstruction."""


@dataclass(kw_only=True)
class MetricsConfig:
    """How is scored, and with what besides PSNR, SSIM and flicker, which are always computed."""

    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    crosscheck: bool = False
    """Whether to compute scikit-video's PSNR, SSIM, ST-RRED and NIQE of luma too (slow)."""
    warped_error: bool = False
    """Whether to compare frames along the original's motion, which RAFT estimates (slow)."""


class PerceptualMetric(Protocol):
    """A distance of frames."""

    name: str  # what its number is reported as

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance (B, T) of the frames of two clips (B, C, T, H, W) in [-1, 1]."""
        ...


class ClipMetric(Protocol):
    """A score of a whole clip."""

    @property
    def name(self) -> str:
        """What its number is reported as."""
        ...

    def __call__(self, original: Tensor, reconstruction: Tensor) -> float:
        """Score one clip; both are (3, T, H, W) in [-1, 1]. NaN where one is not finite."""
        ...


@dataclass(frozen=True)
class Missing:
    """A metric that was asked for and is not computed."""

    name: str
    reason: str  # one line, with how to get it where it can be had


@dataclass(frozen=True)
class Scorers:
    """What a run scores with, resolved once and used by all of its evaluations."""

    perceptual: tuple[PerceptualMetric, ...]
    frechet: tuple[FeatureNetwork, ...]
    device: torch.device
    crosschecks: tuple[ClipMetric, ...] = ()
    motion: dict[str, MotionMetric] = field(default_factory=dict)  # by name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all metrics of an evaluation, PSNR and SSIM included."""
        perceptual = (metric.name for metric in self.perceptual)
        crosschecks = (metric.name for metric in self.crosschecks)
        frechet = [network.name for network in self.frechet]
        kernel = map(kernel_name, frechet)
        return ("psnr_db", "ssim", *perceptual, *self.motion, *frechet, *kernel, *crosschecks)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the metrics that a network computes, which a fingerprint covers."""
        perceptual = (metric.name for metric in self.perceptual)
        return (*perceptual, *(network.name for network in self.frechet))

    def quick(self) -> "Scorers":
        """Without what costs more than all the rest, for looks at a model in training."""
        motion = {name: metric for name, metric in self.motion.items() if name == "flicker"}
        return replace(self, frechet=(), motion=motion)


def available(
    config: MetricsConfig,
    *,
    clip_shape: tuple[int, int, int] | None = None,
    device: torch.device | None = None,
) -> tuple[Scorers, list[Missing]]:
    """Load the networks that the configured metrics need; tell which cannot be had.

    Where no LPIPS backbone can be had, an untrained network stands in, and likewise for I3D; a
    stand-in is reported under its own name, never as the metric it stands in for.

    Args:
        config: the metrics that are wanted.
        clip_shape: (T, H, W) of the clips to come, so that a metric that cannot look at them is
            missing from the start; without it, such a metric raises when it first sees a clip.
        device: where to compute; the CPU by default.
    """
    device = device or torch.device("cpu")
    missing: list[Missing] = []
    perceptual = _perceptual(config, clip_shape, device, missing)
    frechet = _frechet(config, clip_shape, device, missing)
    crosschecks = _crosschecks(config, clip_shape, missing)
    motion = _motion(config, clip_shape, device, missing)
    return Scorers(perceptual, frechet, device, crosschecks, motion), missing


def _perceptual(
    config: MetricsConfig,
    clip_shape: tuple[int, int, int] | None,
    device: torch.device,
    missing: list[Missing],
) -> tuple[PerceptualMetric, ...]:
    found: list[Lpips | UntrainedPerceptual] = []
    mode = config.protocol.lpips_mode
    for backbone in config.protocol.lpips:
        name = lpips_name(backbone, mode)
        problem = _too_small(name, min_size_px(backbone), clip_shape)
        if problem is not None:
            missing.append(problem)
            continue
        try:
            found.append(Lpips(backbone, mode))
        except WeightsMissing as error:
            missing.append(Missing(name, str(error)))
    if config.protocol.lpips and not found:
        stand_in = UntrainedPerceptual()
        problem = _too_small(stand_in.name, stand_in.min_size_px, clip_shape)
        if problem is None:
            found.append(stand_in)
        else:
            missing.append(problem)
    return tuple(network.to(device) for network in found)


def _frechet(
    config: MetricsConfig,
    clip_shape: tuple[int, int, int] | None,
    device: torch.device,
    missing: list[Missing],
) -> tuple[FeatureNetwork, ...]:
    found: list[FeatureNetwork] = []
    for network in config.protocol.frechet:
        row = FEATURE_NETWORKS[network.value]
        reason = None if clip_shape is None else row.refusal(clip_shape[0])
        try:
            if reason is None:
                found.append(row.load().to(device))
        except WeightsMissing as error:
            reason = str(error)
        if reason is not None:
            missing.append(Missing(row.metric, reason))
    if config.protocol.frechet and not found:
        found.append(UntrainedR3d18().to(device))
    return tuple(found)


def _crosschecks(
    config: MetricsConfig, clip_shape: tuple[int, int, int] | None, missing: list[Missing]
) -> tuple[ClipMetric, ...]:
    found: list[ClipMetric] = []
    for metric in CROSSCHECKS if config.crosscheck else ():
        refusal = None if clip_shape is None else metric.refusal(clip_shape)
        if refusal is None:
            found.append(metric)
        else:
            missing.append(Missing(metric.name, refusal))
    return tuple(found)


def _motion(
    config: MetricsConfig,
    clip_shape: tuple[int, int, int] | None,
    device: torch.device,
    missing: list[Missing],
) -> dict[str, MotionMetric]:
    found: dict[str, MotionMetric] = {}
    reason = None if clip_shape is None else needs_two_frames("flicker", clip_shape[0])
    if reason is None:
        found["flicker"] = flicker
    else:
        missing.append(Missing("flicker", reason))
    if not config.warped_error:
        return found
    reason = None if clip_shape is None else refusal(clip_shape)
    try:
        if reason is None:
            found["warped_error"] = WarpedError(Raft().to(device))
    except WeightsMissing as error:
        reason = str(error)
    if reason is not None:
        missing.append(Missing("warped_error", reason))
    return found


def _too_small(name: str, least_px: int, clip_shape: tuple[int, int, int] | None) -> Missing | None:
    if clip_shape is None or min(clip_shape[1:]) >= least_px:
        return None
    _, height, width = clip_shape
    return Missing(name, f"{name} needs frames of at least {least_px} px, got {height}x{width}")
