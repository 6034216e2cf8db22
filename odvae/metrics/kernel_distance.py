"""Kernel distance of two sets of features: the unbiased squared MMD with a cubic kernel.

Binkowski et al. 2018 (KID); with I3D's features it is the KVD of Unterthiner et al. 2018. Unlike
a Frechet distance it does not grow as sets shrink. It is unbiased for two independent sets. Here
row i of both is of one clip, and the pairs (i, i), which are alike, count in the cross term as in
the published estimators: the distance leans low, and that of a set from itself is below 0.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ROWS_AT_ONCE = 2048  # a side: 4 million kernel values at a time, whatever the sizes of the sets


@dataclass(frozen=True, kw_only=True)
class KernelBlocks:
    """Kernel distances of random parts of both sets."""

    mean: float
    std: float  # over the parts, divided by their number; not the uncertainty of the mean
    blocks: int
    block_size: int  # rows of each set in a part


def kernel_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Squared MMD with the kernel (x.y / D + 1)^3, in float64.

    Args:
        features_a: (N, D), one row per clip.
        features_b: (M, D).

    Returns:
        The estimate, which may be below 0; NaN when a feature is not finite.

    Raises:
        ValueError: fewer than 2 rows, or shapes that do not match.
    """
    if features_a.ndim != 2 or features_b.ndim != 2 or features_a.shape[1] != features_b.shape[1]:
        raise ValueError(
            "features must be (N, D) and (M, D), "
            f"got {tuple(features_a.shape)} and {tuple(features_b.shape)}"
        )
    counts = len(features_a), len(features_b)
    if min(counts) < 2:
        raise ValueError(
            f"a kernel distance needs at least 2 clips a side, got {counts[0]} and {counts[1]}"
        )
    across = _kernel_sum(features_a, features_b) / (counts[0] * counts[1])
    distance = _mean_of_others(features_a) + _mean_of_others(features_b) - 2 * across
    return distance if math.isfinite(distance) else math.nan


def block_estimate(
    features_a: Tensor, features_b: Tensor, *, blocks: int, block_size: int, seed: int
) -> KernelBlocks:
    """Mean and spread of the kernel distance over random parts, as KID is published.

    The rows of a part are drawn without replacement, from each set by itself.

    Args:
        features_a: (N, D), one row per clip.
        features_b: (M, D).
        blocks: number of parts; published numbers have 100.
        block_size: rows of each set in a part; published numbers have 1000.
        seed: of the draw.

    Raises:
        ValueError: a part is larger than a set or smaller than 2, or no parts.
    """
    smaller = min(len(features_a), len(features_b))
    if not 2 <= block_size <= smaller:
        raise ValueError(f"block_size must be in 2..{smaller}, got {block_size}")
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1, got {blocks}")
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for _ in range(blocks):
        a, b = (
            features[torch.randperm(len(features), generator=generator)[:block_size]]
            for features in (features_a, features_b)
        )
        distances.append(kernel_distance(a, b))
    found = torch.tensor(distances, dtype=torch.float64)
    return KernelBlocks(
        mean=found.mean().item(),
        std=found.std(correction=0).item(),
        blocks=blocks,
        block_size=block_size,
    )


def _mean_of_others(features: Tensor) -> float:
    """Mean kernel of a set's rows (N, D) with each other, none with itself."""
    count, dimensions = features.shape
    itself = sum(
        float((part.double().square().sum(dim=1) / dimensions + 1).pow(3).sum())
        for part in features.split(ROWS_AT_ONCE)
    )
    return (_kernel_sum(features, features) - itself) / (count * (count - 1))


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    """Sum of the kernel over all pairs of rows (N, D) and (M, D), a block of pairs at a time."""
    sums = []
    for x in a.split(ROWS_AT_ONCE):
        rows = x.double()
        for y in b.split(ROWS_AT_ONCE):
            sums.append(float((rows @ y.double().T / a.shape[1] + 1).pow(3).sum()))
    return math.fsum(sums) if all(map(math.isfinite, sums)) else math.nan
