"""How far samples are from real clips, as sets. Clips are (B, 3, T, H, W) in [-1, 1].

Real clips and samples are different clips and may differ in number, unlike the originals and
reconstructions of ``odvae.metrics``; hence names of their own: ``fvd_generation``, ...
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics import FeatureNetwork, Missing, WeightsMissing, frechet_distance_of
from odvae.metrics.c3d import FRAMES as C3D_FRAMES
from odvae.metrics.c3d import C3d, load_c3d
from odvae.metrics.frechet_features import kernel_name
from odvae.metrics.inception_score import SPLITS, InceptionScoreResult, inception_score
from odvae.metrics.kernel_distance import kernel_distance

SUFFIX = "_generation"
INCEPTION_SCORE = "inception_score"
LEAST_CLIPS = 2  # a side, for a covariance


@dataclass(frozen=True, kw_only=True)
class GenerationProtocol:
    """How much is compared; Table 2 has 2048 clips of 81 frames. Raises UserError for a field."""

    samples: int  # and as many real clips, if there are so many
    clip_frames: int

    def __post_init__(self) -> None:
        for name, least in (("samples", LEAST_CLIPS), ("clip_frames", 1)):
            if getattr(self, name) < least:
                raise UserError(
                    f"generation.{name} must be at least {least}, got {getattr(self, name)}"
                )


class Classifier(Protocol):
    """C3D, or what stands for it in a test."""

    def probabilities(self, clips: Tensor) -> Tensor:
        """Class probabilities (B, K) of clips (B, 3, T, H, W) in [-1, 1]."""
        ...


@dataclass(frozen=True, kw_only=True)
class GenerationScores:
    """What there is to say of a set of samples.

    Attributes:
        distances: Frechet and kernel distances by metric name.
        inception_score: None without C3D.
        rank_deficient: names of Frechet distances with no more clips than features on a side:
            they compare with those of as many clips only.
    """

    protocol: GenerationProtocol
    real_clips: int
    samples: int
    distances: dict[str, float]
    inception_score: InceptionScoreResult | None
    rank_deficient: tuple[str, ...]

    def values(self) -> dict[str, float]:
        """All numbers by metric name, as a tracker or a table wants them."""
        if self.inception_score is None:
            return dict(self.distances)
        return {**self.distances, INCEPTION_SCORE: self.inception_score.mean}


class GenerationEvaluation:
    """Accumulates features of real clips and of samples, batch by batch; the clips may go.

    Args:
        protocol: what is asked for.
        networks: of the distances, such as ``Scorers.frechet``, on ``device``.
        device: where they compute.
        classifier: of the Inception Score, on ``device``; None: without it.
    """

    def __init__(
        self,
        protocol: GenerationProtocol,
        networks: Sequence[FeatureNetwork],
        *,
        device: torch.device,
        classifier: Classifier | None = None,
    ) -> None:
        self._protocol = protocol
        self._networks = networks
        self._device = device
        self._classifier = classifier
        self._real: dict[str, list[Tensor]] = {network.name: [] for network in networks}
        self._samples: dict[str, list[Tensor]] = {network.name: [] for network in networks}
        self._probabilities: list[Tensor] = []
        self._counts = {"real": 0, "samples": 0}

    def without_samples(self) -> "GenerationEvaluation":
        """Another one with the real clips of this one, for samples of another denoiser."""
        other = GenerationEvaluation(
            self._protocol, self._networks, device=self._device, classifier=self._classifier
        )
        other._real = {name: list(rows) for name, rows in self._real.items()}
        other._counts["real"] = self._counts["real"]
        return other

    def add_real(self, clips: Tensor) -> None:
        """Count more real clips (B, 3, T, H, W). Raises UserError for another T."""
        self._add(clips, self._real)
        self._counts["real"] += len(clips)

    def add_samples(self, clips: Tensor) -> None:
        """Count more samples (B, 3, T, H, W). Raises UserError for another T."""
        self._add(clips, self._samples)
        self._counts["samples"] += len(clips)
        if self._classifier is not None:
            probabilities = self._classifier.probabilities(clips.to(self._device))
            self._probabilities.append(probabilities.cpu())

    def result(self) -> GenerationScores:
        """Scores of all clips added so far.

        Raises:
            ValueError: fewer than 2 on a side.
        """
        distances: dict[str, float] = {}
        deficient = []
        for network in self._networks:
            real, samples = (torch.cat(s[network.name]) for s in (self._real, self._samples))
            name = f"{network.name}{SUFFIX}"
            distances[name] = frechet_distance_of(real, samples)
            distances[f"{kernel_name(network.name)}{SUFFIX}"] = kernel_distance(real, samples)
            if min(len(real), len(samples)) <= network.dimensions:
                deficient.append(name)
        return GenerationScores(
            protocol=self._protocol,
            real_clips=self._counts["real"],
            samples=self._counts["samples"],
            distances=distances,
            inception_score=self._inception_score(),
            rank_deficient=tuple(deficient),
        )

    def _add(self, clips: Tensor, rows: dict[str, list[Tensor]]) -> None:
        if clips.shape[2] != self._protocol.clip_frames:
            raise UserError(
                f"generation.clip_frames is {self._protocol.clip_frames}, "
                f"got clips of {clips.shape[2]} frames"
            )
        for network in self._networks:
            rows[network.name].append(network.features(clips.to(self._device)).cpu())

    def _inception_score(self) -> InceptionScoreResult | None:
        if not self._probabilities:
            return None
        rows = torch.cat(self._probabilities)
        splits = min(SPLITS, len(rows))
        mean, std = inception_score(rows, splits=splits)
        return InceptionScoreResult(mean, std, clips=len(rows), splits=splits)


def classifier_at_hand(protocol: GenerationProtocol) -> C3d | Missing:
    """C3D, if the user names a checkpoint of it and clips are long enough; else why not.

    Raises:
        UserError: the file named is no C3D checkpoint.
    """
    if protocol.clip_frames < C3D_FRAMES:
        reason = f"C3D needs clips of at least {C3D_FRAMES} frames, got {protocol.clip_frames}"
        return Missing(INCEPTION_SCORE, reason)
    try:
        return load_c3d()
    except WeightsMissing as error:
        return Missing(INCEPTION_SCORE, str(error))
