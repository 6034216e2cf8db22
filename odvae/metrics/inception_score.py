"""Inception Score of generated clips (Salimans et al. 2016), from class probabilities.

It looks at generated clips alone. With C3D trained on UCF101 it is that of video generation (Saito
et al. 2017); with any other classifier it is another number.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

SPLITS = 10
SUM_SLACK = 1e-3  # a softmax in float32 sums to 1 up to rounding; logits do not


@dataclass(frozen=True)
class InceptionScoreResult:
    """Mean and standard deviation over the splits; from 1 to the number of classes."""

    mean: float
    std: float  # over splits, divided by their number
    clips: int
    splits: int


class InceptionScore:
    """Accumulates class probabilities batch by batch, as many numbers a clip as classes."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []

    def add(self, probabilities: Tensor) -> None:
        """Count class probabilities (B, K) of more clips."""
        self._rows.append(probabilities.detach().double().cpu())

    def result(self, *, splits: int = SPLITS) -> InceptionScoreResult:
        """Score of all clips, in the order in which they were added.

        Raises:
            ValueError: as ``inception_score``.
        """
        rows = torch.cat(self._rows) if self._rows else torch.empty(0, 0)
        mean, std = inception_score(rows, splits=splits)
        return InceptionScoreResult(mean, std, clips=len(rows), splits=splits)


def inception_score(probabilities: Tensor, *, splits: int = SPLITS) -> tuple[float, float]:
    """exp of the mean KL divergence of p(class | clip) from p(class), by splits of the clips.

    Clips are split in their order, so clips sorted by class must be shuffled first.

    Args:
        probabilities: (N, K), rows that sum to 1.
        splits: number of parts, each scored by itself.

    Returns:
        Mean and standard deviation (divided by the number of splits) over the splits; NaN when a
        probability is not finite.

    Raises:
        ValueError: fewer clips than splits, or rows that are no probabilities.
    """
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities must be (N, K), got {tuple(probabilities.shape)}")
    count = len(probabilities)
    if not 1 <= splits <= count:
        raise ValueError(f"splits must be in 1..{count}, the number of clips, got {splits}")
    rows = probabilities.double()
    if not rows.isfinite().all():
        return math.nan, math.nan
    if rows.min() < 0 or (rows.sum(dim=1) - 1).abs().max() > SUM_SLACK:
        raise ValueError("probabilities must be at least 0 and sum to 1 for each clip")
    edges = [part * count // splits for part in range(splits + 1)]
    scores = torch.stack([_score(rows[start:end]) for start, end in pairwise(edges)])
    return scores.mean().item(), scores.std(correction=0).item()


def _score(rows: Tensor) -> Tensor:
    """exp(H(mean of rows) - mean of H(row)), which is the mean divergence; 0 log 0 is 0."""
    information: Tensor = (
        torch.special.entr(rows.mean(dim=0)).sum() - torch.special.entr(rows).sum(dim=1).mean()
    )
    return information.exp()
