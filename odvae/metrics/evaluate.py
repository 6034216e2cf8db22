"""Score reconstructions of a set of clips. Clips are (B, C, T, H, W) in [-1, 1].

Frames are averaged within a clip, then clips, so a smaller last batch weighs no more than its
clips; a Frechet distance is that of the whole set.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.metrics.frechet import frechet_distance
from odvae.metrics.frechet_features import FeatureNetwork
from odvae.metrics.pixels import check_original, check_pair
from odvae.metrics.psnr import psnr_db
from odvae.metrics.scorers import Missing, PerceptualMetric, Scorers
from odvae.metrics.ssim import ssim

FRAMES_AT_ONCE = 16  # bounds the memory of a perceptual network on large frames


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """Scores of one clip, each the mean over its frames where it is not one of the whole clip."""

    clip_id: str
    psnr_db: float
    ssim: float
    perceptual: dict[str, float]  # by metric name
    crosschecks: dict[str, float]  # by metric name
    finite: bool  # whether every value of the reconstruction was finite; if not, scores are NaN


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """Scores of a set of clips, each the mean over clips; NaN when a reconstruction is broken."""

    clips: int
    clip_shape: tuple[int, int, int, int]  # (C, T, H, W) of every clip
    psnr_db: float
    ssim: float
    perceptual: dict[str, float]  # by metric name
    frechet: dict[str, float]  # by metric name, of the whole set
    crosschecks: dict[str, float]  # by metric name
    rank_deficient: bool  # too few clips for covariances of full rank: compare equal counts only
    psnr_db_by_frame: list[float]  # by frame position, mean over clips
    non_finite_clips: list[str]  # ids of clips whose reconstruction holds an infinity or NaN
    missing: list[Missing]  # metrics that this set does not allow
    per_clip: list[ClipScores]

    def values(self) -> dict[str, float]:
        """Scores of the set by metric name, as a tracker or a table wants them."""
        scores = {"psnr_db": self.psnr_db, "ssim": self.ssim}
        return scores | self.perceptual | self.frechet | self.crosschecks


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
        self._psnr_db: list[Tensor] = []  # (T,) each
        self._features: dict[str, tuple[list[Tensor], list[Tensor]]] = {
            network.name: ([], []) for network in scorers.frechet
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
                of_originals, of_reconstructions = self._features[network.name]
                of_originals.append(self._originals.rows(network, clip_ids, original))
                of_reconstructions.append(network.features(reconstruction).cpu())

    def result(self) -> EvaluationResult:
        """Scores of all clips added so far.

        Raises:
            ValueError: no clip was added.
        """
        rows = list(self._clips.values())
        if not rows:
            raise ValueError("an evaluation needs at least one clip, got none")
        channels, frames, height, width = self._shape
        networks = self._scorers.frechet
        distances, missing = self._frechet()
        return EvaluationResult(
            clips=len(rows),
            clip_shape=(channels, frames, height, width),
            psnr_db=_mean([row.psnr_db for row in rows]),
            ssim=_mean([row.ssim for row in rows]),
            perceptual={
                metric.name: _mean([row.perceptual[metric.name] for row in rows])
                for metric in self._scorers.perceptual
            },
            frechet=distances,
            crosschecks={
                metric.name: _mean([row.crosschecks[metric.name] for row in rows])
                for metric in self._scorers.crosschecks
            },
            rank_deficient=any(len(rows) <= network.dimensions for network in networks),
            psnr_db_by_frame=torch.stack(self._psnr_db).mean(dim=0).tolist(),
            non_finite_clips=[row.clip_id for row in rows if not row.finite],
            missing=missing,
            per_clip=rows,
        )

    def _add_clip(self, clip_id: str, original: Tensor, reconstruction: Tensor) -> None:
        """Score one clip; both are (1, C, T, H, W) on the scorers' device."""
        by_frame = psnr_db(original, reconstruction)[0].cpu()  # (T,)
        self._clips[clip_id] = ClipScores(
            clip_id=clip_id,
            psnr_db=by_frame.mean().item(),
            ssim=ssim(original, reconstruction).mean().item(),
            perceptual={
                metric.name: _frame_mean(metric, original, reconstruction)
                for metric in self._scorers.perceptual
            },
            crosschecks={
                metric.name: metric(original[0], reconstruction[0])
                for metric in self._scorers.crosschecks
            },
            finite=bool(reconstruction.isfinite().all()),
        )
        self._psnr_db.append(by_frame)

    def _frechet(self) -> tuple[dict[str, float], list[Missing]]:
        if len(self._clips) < 2:
            reason = f"a Frechet distance needs at least 2 clips, got {len(self._clips)}"
            return {}, [Missing(name, reason) for name in self._features]
        return {
            name: frechet_distance(torch.cat(of_originals), torch.cat(of_reconstructions))
            for name, (of_originals, of_reconstructions) in self._features.items()
        }, []


def _frame_mean(metric: PerceptualMetric, original: Tensor, reconstruction: Tensor) -> float:
    """Mean over the frames of one clip (1, C, T, H, W), a few frames at a time."""
    pieces = math.ceil(original.shape[2] / FRAMES_AT_ONCE)
    pairs = zip(original.chunk(pieces, dim=2), reconstruction.chunk(pieces, dim=2), strict=True)
    return torch.cat([metric(a, b) for a, b in pairs], dim=1).double().mean().item()


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


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
