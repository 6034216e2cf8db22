"""The average of the weights, against its formula."""

import torch
from torch import nn
from torch.testing import assert_close

from odvae.training.ema import Ema


def test_the_decay_warms_up() -> None:
    """w_ema <- d w_ema + (1 - d) w with d = min(decay, (1 + n) / (10 + n)), n from 0."""
    decay, weights = 0.5, torch.rand(30, generator=torch.Generator().manual_seed(0)).double()
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 7.0)
    ema, expected = Ema(model, decay=decay), 7.0
    for n, weight in enumerate(weights.tolist()):
        nn.init.constant_(model.weight, weight)
        ema.update(model, updates=n)
        d = min(decay, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * weight
        (average,) = ema.model.parameters()
        assert_close(average.item(), expected, rtol=1e-12, atol=0)
    assert decay == (1 + 8) / (10 + 8)  # both branches were taken


def test_buffers_are_copied() -> None:
    model = nn.BatchNorm1d(3)
    ema = Ema(model, decay=0.999)
    model.train()(torch.rand(8, 3, generator=torch.Generator().manual_seed(0)))
    ema.update(model, updates=0)
    assert_close(dict(ema.model.named_buffers()), dict(model.named_buffers()))


def test_the_average_stands_apart() -> None:
    model = nn.Linear(2, 2)
    ema = Ema(model, decay=0.9)
    assert not ema.model.training
    assert not any(param.requires_grad for param in ema.model.parameters())
    before = [param.clone() for param in ema.model.parameters()]
    with torch.no_grad():
        for param in model.parameters():
            param.add_(1)
    assert_close(list(ema.model.parameters()), before)
