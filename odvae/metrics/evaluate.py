"""Score reconstructions of a set of clips. Clips are (B, C, T, H, W) in [-1, 1].

Frames are averaged within a clip, then clips, so a smaller last batch weighs no more than its
clips; a Frechet distance is that of the whole set.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from odvae.metrics.feature_sets import FeatureSets
from odvae.metrics.frechet_features import FeatureNetwork, kernel_name
from odvae.metrics.pixels import check_original, check_pair
from odvae.metrics.psnr import psnr_db
from odvae.metrics.results import ClipScores, EvaluationResult
from odvae.metrics.scorers import Missing, PerceptualMetric, Scorers
from odvae.metrics.ssim import ssim

FRAMES_AT_ONCE = 16  # bounds the memory of a perceptual network on large frames


class OriginalFeatures:
    """Features of original clips, computed once for all evaluations of the same clips."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, tuple[int, ...], float], Tensor] = {}

    def rows(self, network: FeatureNetwork, clip_ids: Sequence[str], clips: Tensor) -> Tensor:
        """Features (B, D) of clips (B, C, T, H, W), looking only at those not seen before.

        Shape and sum of a clip are part of its key, so that another crop of it is another row.
        """
        keys = [
            (network.name, clip_id, tuple(clip.shape), clip.double().sum().item())
            for clip_id, clip in zip(clip_ids, clips, strict=True)
        ]
        new = [index for index, key in enumerate(keys) if key not in self._rows]
        if new:
            features = network.features(clips[new]).cpu()
            self._rows.update(zip([keys[index] for index in new], features, strict=True))
        return torch.stack([self._rows[key] for key in keys])


class Evaluation:
    """Accumulates the scores of reconstructions, batch by batch.

    Args:
        scorers: what to score with.
        originals: shared by evaluations of the same clips, to look at each original once.
    """

    def __init__(self, scorers: Scorers, *, originals: OriginalFeatures | None = None) -> None:
        self._scorers = scorers
        self._originals = OriginalFeatures() if originals is None else originals
        self._shape: tuple[int, ...] = ()
        self._clips: dict[str, ClipScores] = {}
        self._features = {
            network.name: FeatureSets(network.name, network.dimensions)
            for network in scorers.frechet
        }

    def add(self, clip_ids: Sequence[str], original: Tensor, reconstruction: Tensor) -> None:
        """Score a batch of reconstructions. Batches of two or more are faster than single clips.

        Args:
            clip_ids: one id a clip; no id may come twice in an evaluation.
            original: pixels (B, C, T, H, W) in [-1, 1], of one (C, T, H, W) in all batches.
            reconstruction: the same shape; clamped to [-1, 1] before it is scored.

        Raises:
            ValueError: shapes, ids or the range of the original are not as above.
            UserError: the clips are too small or too short for a metric.
        """
        check_pair(original, reconstruction)
        check_original(original)
        shape = tuple(original.shape[1:])
        if self._shape not in ((), shape):
            raise ValueError(f"clips must all be (C, T, H, W) = {self._shape}, got {shape}")
        self._shape = shape
        if len(clip_ids) != len(original):
            raise ValueError(f"need one clip id a clip, got {len(clip_ids)} and {len(original)}")
        again = sorted(set(clip_ids) & set(self._clips))
        if again or len(set(clip_ids)) != len(clip_ids):
            raise ValueError(f"a clip counts once, got {again or list(clip_ids)} again")
        original = original.to(self._scorers.device)
        reconstruction = reconstruction.to(self._scorers.device)
        with _full_precision():
            for index, clip_id in enumerate(clip_ids):
                one = slice(index, index + 1)
                self._add_clip(clip_id, original[one], reconstruction[one])
            for network in self._scorers.frechet:
                of_originals = self._originals.rows(network, clip_ids, original)
                of_reconstructions = network.features(reconstruction).cpu()
                self._features[network.name].add(of_originals, of_reconstructions)

    def result(self) -> EvaluationResult:
        """Scores of all clips added so far.

        Raises:
            ValueError: no clip was added.
        """
        if not self._clips:
            raise ValueError("an evaluation needs at least one clip, got none")
        channels, frames, height, width = self._shape
        enough = len(self._clips) > 1
        reason = f"a Frechet distance needs at least 2 clips, got {len(self._clips)}"
        names = [each for name in self._features for each in (name, kernel_name(name))]
        return EvaluationResult(
            clip_shape=(channels, frames, height, width),
            per_clip=list(self._clips.values()),
            feature_sets=dict(self._features) if enough else {},
            missing=[] if enough else [Missing(name, reason) for name in names],
        )

    def _add_clip(self, clip_id: str, original: Tensor, reconstruction: Tensor) -> None:
        """Score one clip; both are (1, C, T, H, W) on the scorers' device."""
        pair = (original, reconstruction)
        frames = {"psnr_db": psnr_db(*pair), "ssim": ssim(*pair)}
        frames |= {metric.name: _in_pieces(metric, *pair) for metric in self._scorers.perceptual}
        frames |= {name: metric(*pair) for name, metric in self._scorers.motion.items()}
        self._clips[clip_id] = ClipScores(
            clip_id=clip_id,
            frames={name: values[0].tolist() for name, values in frames.items()},
            crosschecks={
                metric.name: metric(original[0], reconstruction[0])
                for metric in self._scorers.crosschecks
            },
            finite=bool(reconstruction.isfinite().all()),
        )


def _in_pieces(metric: PerceptualMetric, original: Tensor, reconstruction: Tensor) -> Tensor:
    """Distances (1, T) of the frames of one clip (1, C, T, H, W), a few frames at a time."""
    pieces = math.ceil(original.shape[2] / FRAMES_AT_ONCE)
    pairs = zip(original.chunk(pieces, dim=2), reconstruction.chunk(pieces, dim=2), strict=True)
    return torch.cat([metric(a, b) for a, b in pairs], dim=1)


@contextmanager
def _full_precision() -> Iterator[None]:
    """No gradients, and float32 that is float32, whatever precision the caller trains in."""
    with (
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
    ):
        yield
