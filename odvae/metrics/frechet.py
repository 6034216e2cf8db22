"""Frechet distance between two sets of features, each summarised by its mean and covariance."""

import math

import torch
from torch import Tensor


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2)) in float64.

    The moments are those of the whole sets, covariances unbiased. Distances of parts of a set
    must not be averaged: they are another quantity.

    A covariance is written R^T R. The trace of the root of a product is then the sum of the
    singular values of R_a R_b^T: no covariance is formed, squared or inverted, so sets with fewer
    rows than features (singular covariances) are as exact as any.

    Args:
        features_a: (N, D), one row per clip.
        features_b: (M, D).

    Returns:
        The squared distance, >= 0; NaN when a feature is not finite.

    Raises:
        ValueError: fewer than 2 rows (no covariance), or shapes that do not match.
    """
    if features_a.ndim != 2 or features_b.ndim != 2 or features_a.shape[1] != features_b.shape[1]:
        raise ValueError(
            "features must be (N, D) and (M, D), "
            f"got {tuple(features_a.shape)} and {tuple(features_b.shape)}"
        )
    if len(features_a) < 2 or len(features_b) < 2:
        raise ValueError(
            f"a Frechet distance needs at least 2 clips a side, "
            f"got {len(features_a)} and {len(features_b)}"
        )
    if not (features_a.isfinite().all() and features_b.isfinite().all()):
        return math.nan
    mean_a, root_a = _moments(features_a)
    mean_b, root_b = _moments(features_b)
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    spread = root_a.square().sum() + root_b.square().sum() - 2 * cross
    distance = (mean_a - mean_b).square().sum() + spread
    return max(float(distance), 0.0)  # rounding may leave -1e-16 of the trace


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and a root R (min(N, D), D) of the unbiased covariance R^T R of rows (N, D)."""
    rows = features.double()
    mean = rows.mean(dim=0)
    root = (rows - mean) / math.sqrt(len(rows) - 1)  # (N, D)
    if len(rows) > rows.shape[1]:
        root = torch.linalg.qr(root, mode="r").R  # (D, D), the same R^T R
    return mean, root
