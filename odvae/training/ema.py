"""The exponential moving average of the weights: what is evaluated and saved."""

import copy

import torch
from torch import nn


class Ema:
    """A copy of the model that follows it: w_ema <- d w_ema + (1 - d) w.

    The decay d rises as (1 + n) / (10 + n) to its value over the first updates, so that a short
    run is not an average over weights from before it began.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, *, updates: int) -> None:
        """Follow ``model`` after its update number ``updates`` (0 is the first)."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        for average, value in zip(self.model.parameters(), model.parameters(), strict=True):
            average.lerp_(value.detach(), 1 - decay)
        for kept, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)
