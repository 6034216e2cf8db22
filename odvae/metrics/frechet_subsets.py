"""Frechet distances of many subsets of the same clips: what curves and bootstraps are made of."""

import torch
from torch import Tensor

from odvae.metrics.frechet import gaussian_distance

NUMBERS_AT_ONCE = 4_000_000  # float64 numbers of one batch of subsets
ROWS_AT_ONCE = 2048


class FrechetSubsets:
    """Originals and reconstructions of the same clips, of which subsets are compared.

    As long as there are no more clips than dimensions, a distance follows from inner products of
    rows, which are computed once: a subset of n clips then costs n^3, not D^3.

    Args:
        originals: finite features (N, D), one row per clip; may lie in a file.
        reconstructions: the same clips in the same order.
    """

    def __init__(self, originals: Tensor, reconstructions: Tensor) -> None:
        if originals.ndim != 2 or originals.shape != reconstructions.shape:
            raise ValueError(
                "features must both be (N, D), one row per clip, "
                f"got {tuple(originals.shape)} and {tuple(reconstructions.shape)}"
            )
        self.clips, self.dimensions = originals.shape
        self._sets = originals, reconstructions
        # Near the means of all subsets, so that differences keep their digits.
        self._centre = originals.mean(dim=0, dtype=torch.float64)
        self._products: tuple[Tensor, Tensor] | None = None
        if self.clips <= self.dimensions:
            a, b = (rows.double() - self._centre for rows in self._sets)
            self._products = a @ a.T + b @ b.T, a @ b.T  # within both sets, and across

    def distances(self, subsets: Tensor) -> Tensor:
        """Distances (R,) in float64 of R subsets of n clips each, >= 0.

        Args:
            subsets: (R, n) numbers of clips; one that comes twice counts twice. n is at least 2.
        """
        if self._products is not None:
            at_once = max(1, NUMBERS_AT_ONCE // subsets.shape[1] ** 2)
            parts = subsets.split(at_once)
            return torch.cat([_of_products(*self._products, part) for part in parts])
        table = self.dimensions * max(self.dimensions, min(self.clips, ROWS_AT_ONCE))
        parts = subsets.split(max(1, NUMBERS_AT_ONCE // table))
        return torch.cat([self._of_moments(part) for part in parts])

    def _of_moments(self, subsets: Tensor) -> Tensor:
        """Distances (R,) from the moments of the rows, each row weighing as often as it comes."""
        repeats, count = subsets.shape
        weights = torch.zeros(repeats, self.clips, dtype=torch.float64)
        weights.scatter_add_(1, subsets, torch.ones(1, 1).double().expand(repeats, count))
        (mean_a, covariance_a), (mean_b, covariance_b) = (
            self._moments(rows, weights, count) for rows in self._sets
        )
        return gaussian_distance(
            (mean_a, mean_b), (covariance_a, covariance_b), counts=(count, count)
        )

    def _moments(self, rows: Tensor, weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Means (R, D), from the centre, and covariances (R, D, D) of weighted rows (N, D)."""
        repeats, dimensions = len(weights), self.dimensions
        sums = torch.zeros(repeats, dimensions, dtype=torch.float64)
        squares = torch.zeros(repeats, dimensions, dimensions, dtype=torch.float64)
        for some, weight in zip(
            rows.split(ROWS_AT_ONCE), weights.split(ROWS_AT_ONCE, dim=1), strict=True
        ):
            off = some.double() - self._centre
            sums += weight @ off
            squares += (weight.unsqueeze(1) * off.T) @ off
        means = sums / count
        covariances = (squares - count * means.unsqueeze(2) * means.unsqueeze(1)) / (count - 1)
        return means, covariances


def _of_products(within: Tensor, across: Tensor, subsets: Tensor) -> Tensor:
    """Distances (R,) of subsets (R, n) from products (N, N) of rows: a_i.a_j + b_i.b_j, a_i.b_j.

    With rows centred, R_a R_b^T of the Frechet distance is their table of products across.
    """
    count = subsets.shape[1]
    rows, columns = subsets.unsqueeze(2), subsets.unsqueeze(1)
    squared_means = within[rows, columns].mean(dim=(1, 2))  # |mean_a|^2 + |mean_b|^2
    products = across[rows, columns]  # (R, n, n)
    product_of_means = products.mean(dim=(1, 2))
    centred = (
        products
        - products.mean(dim=1, keepdim=True)
        - products.mean(dim=2, keepdim=True)
        + product_of_means.view(-1, 1, 1)
    )
    traces = (within.diagonal()[subsets].sum(dim=1) - count * squared_means) / (count - 1)
    root = torch.linalg.svdvals(centred).sum(dim=1) / (count - 1)
    distances: Tensor = squared_means - 2 * product_of_means + traces - 2 * root
    return distances.clamp(min=0)
