"""Frechet distance between two sets of features, each summarised by its mean and covariance."""

import math

import torch
from torch import Tensor

from odvae.metrics.moments import Moments


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2)) in float64.

    The moments are those of the whole sets, covariances unbiased. Distances of parts of a set
    must not be averaged: they are another quantity.

    Returns:
        The squared distance, >= 0; NaN when a feature was not finite.

    Raises:
        ValueError: fewer than 2 rows (no covariance), or dimensions that differ.
    """
    if a.dimensions != b.dimensions:
        raise ValueError(f"features must be of one length, got {a.dimensions} and {b.dimensions}")
    if min(a.count, b.count) < 2:
        raise ValueError(
            f"a Frechet distance needs at least 2 clips a side, got {a.count} and {b.count}"
        )
    if not (a.is_finite and b.is_finite):
        return math.nan
    means, covariances = (a.mean, b.mean), (a.covariance, b.covariance)
    return float(gaussian_distance(means, covariances, counts=(a.count, b.count)))


def frechet_distance_of(features_a: Tensor, features_b: Tensor) -> float:
    """The Frechet distance of features (N, D) and (M, D), one row per clip.

    Raises:
        ValueError: as above, or not tables of numbers.
    """
    if features_a.ndim != 2 or features_b.ndim != 2 or features_a.shape[1] != features_b.shape[1]:
        raise ValueError(
            "features must be (N, D) and (M, D), "
            f"got {tuple(features_a.shape)} and {tuple(features_b.shape)}"
        )
    return frechet_distance(Moments.of(features_a), Moments.of(features_b))


def gaussian_distance(
    means: tuple[Tensor, Tensor], covariances: tuple[Tensor, Tensor], *, counts: tuple[int, int]
) -> Tensor:
    """Squared Frechet distances (...), >= 0, from finite moments in float64.

    A covariance is written R^T R. The trace of the root of a product is then the sum of the
    singular values of R_a R_b^T: no product of covariances is formed, and none is inverted. R has
    as many rows as N clips can have directions (N - 1), so the rounding that fills the others of a
    singular covariance does not count.

    Args:
        means: (..., D) of either set.
        covariances: (..., D, D) of either set, unbiased.
        counts: N of either set, at least 2.
    """
    roots = [_root(*set_) for set_ in zip(covariances, counts, strict=True)]
    cross = torch.linalg.svdvals(roots[0] @ roots[1].mT).sum(dim=-1)
    traces = [covariance.diagonal(dim1=-2, dim2=-1).sum(dim=-1) for covariance in covariances]
    apart = (means[0] - means[1]).square().sum(dim=-1)
    distances: Tensor = apart + traces[0] + traces[1] - 2 * cross
    return distances.clamp(min=0)  # rounding may leave -1e-16 of the trace


def _root(covariance: Tensor, count: int) -> Tensor:
    """A root R (..., r, D) of covariances R^T R, r being what their rank can be at most."""
    values, vectors = torch.linalg.eigh(covariance)  # in ascending order
    rank = min(covariance.shape[-1], count - 1)
    values, vectors = values[..., -rank:], vectors[..., -rank:]
    rounding = values[..., -1:] * covariance.shape[-1] * torch.finfo(torch.float64).eps
    root: Tensor = values.where(values > rounding, 0.0).sqrt().unsqueeze(-1) * vectors.mT
    return root
