"""Which metrics a run computes: what was asked for, what is available, what stands in for it."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics.crosscheck import CROSSCHECKS
from odvae.metrics.frechet_features import (
    I3D_MIN_FRAMES,
    FeatureNetwork,
    I3d,
    UntrainedR3d18,
    i3d_too_short,
)
from odvae.metrics.lpips import Lpips, LpipsBackbone, UntrainedPerceptual, min_size_px
from odvae.metrics.weights import WeightsMissing


@dataclass(kw_only=True)
class MetricsConfig:
    """Metrics besides PSNR and SSIM, which are always computed."""

    lpips: list[LpipsBackbone] = field(
        default_factory=lambda: [LpipsBackbone.alex, LpipsBackbone.squeeze]
    )
    """Backbones of LPIPS; each is a metric of its own. Empty: no perceptual metric at all."""
    frechet: bool = True
    """Whether to compute a Frechet distance of clip features (FVD where I3D is available)."""
    crosscheck: bool = False
    """Whether to compute scikit-video's PSNR, SSIM, ST-RRED and NIQE of luma too (slow)."""

    def __post_init__(self) -> None:
        if len(set(self.lpips)) != len(self.lpips):
            got = [backbone.value for backbone in self.lpips]
            raise UserError(f"metrics.lpips must name each backbone once, got {got}")


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

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all metrics of an evaluation, PSNR and SSIM included."""
        perceptual = (metric.name for metric in self.perceptual)
        frechet = (network.name for network in self.frechet)
        crosschecks = (metric.name for metric in self.crosschecks)
        return ("psnr_db", "ssim", *perceptual, *frechet, *crosschecks)


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
    return Scorers(perceptual, frechet, device, crosschecks), missing


def _perceptual(
    config: MetricsConfig,
    clip_shape: tuple[int, int, int] | None,
    device: torch.device,
    missing: list[Missing],
) -> tuple[PerceptualMetric, ...]:
    found: list[Lpips | UntrainedPerceptual] = []
    for backbone in config.lpips:
        name = f"lpips_{backbone.value}"
        problem = _too_small(name, min_size_px(backbone), clip_shape)
        if problem is not None:
            missing.append(problem)
            continue
        try:
            found.append(Lpips(backbone))
        except WeightsMissing as error:
            missing.append(Missing(name, str(error)))
    if config.lpips and not found:
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
    if not config.frechet:
        return ()
    if clip_shape is not None and clip_shape[0] < I3D_MIN_FRAMES:
        missing.append(Missing("fvd", i3d_too_short(clip_shape[0])))
    else:
        try:
            return (I3d().to(device),)
        except WeightsMissing as error:
            missing.append(Missing("fvd", str(error)))
    return (UntrainedR3d18().to(device),)


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


def _too_small(name: str, least_px: int, clip_shape: tuple[int, int, int] | None) -> Missing | None:
    if clip_shape is None or min(clip_shape[1:]) >= least_px:
        return None
    _, height, width = clip_shape
    return Missing(name, f"{name} needs frames of at least {least_px} px, got {height}x{width}")
