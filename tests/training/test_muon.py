"""Muon: its update has the gradient's singular vectors and singular values near one."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from odvae.training.muon import Muon, orthogonalised


def _matrix(rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(16, 144), (32, 64), (64, 32), (48, 48)])
def test_singular_values_become_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = 1e-3 * _matrix(*shape)
    result = orthogonalised(matrix)
    assert result.shape == matrix.shape
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ result @ right.T  # diagonal: an odd polynomial of the singular values
    assert_close(turned, torch.diag(turned.diagonal()), atol=1e-9, rtol=0)
    well_conditioned = values > 0.05 * values[0]
    assert well_conditioned.sum() > 0.9 * len(values)
    assert turned.diagonal()[well_conditioned].min() > 0.65
    assert turned.diagonal().max() < 1.25


def test_the_length_of_a_matrix_does_not_matter() -> None:
    matrix = _matrix(8, 30)
    assert_close(orthogonalised(matrix), orthogonalised(1e4 * matrix), atol=1e-6, rtol=0)
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (64, 4, 1, 3, 3)])
def test_the_first_update_follows_the_gradient(shape: tuple[int, ...]) -> None:
    """Momentum starts at zero, so the first direction is that of the gradient alone."""
    generator = torch.Generator().manual_seed(0)
    param = nn.Parameter(torch.randn(shape, generator=generator))
    untouched = nn.Parameter(torch.ones(2, 2))
    before = param.detach().clone()
    param.grad = torch.randn(shape, generator=generator)
    Muon([param, untouched], lr=0.1).step()
    gradient = param.grad.flatten(1)
    rows, columns = gradient.shape
    scale = max(1.0, rows / columns) ** 0.5
    expected = before - 0.1 * scale * orthogonalised(gradient).view(shape)
    assert_close(param.detach(), expected, atol=1e-4, rtol=0)
    assert torch.equal(untouched, torch.ones(2, 2))


def test_momentum_remembers() -> None:
    """With Nesterov's look-ahead: m <- 0.95 m + 0.05 g, then the direction 0.95 m + 0.05 g."""
    first, second = _matrix(4, 9), _matrix(5, 9)[:4]
    param = nn.Parameter(torch.zeros(4, 9, dtype=torch.float64))
    optimiser = Muon([param], lr=1.0)
    for gradient in (first, second):
        before = param.detach().clone()
        param.grad = gradient.clone()
        optimiser.step()
    momentum = 0.95 * 0.05 * first + 0.05 * second
    direction = 0.95 * momentum + 0.05 * second
    assert_close(before - param.detach(), orthogonalised(direction))
