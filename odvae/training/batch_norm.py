"""Batch statistics over the batch of all processes, on any device."""

import torch
from torch import Tensor, nn

from odvae.training.team import Team


class TeamBatchNorm3d(nn.BatchNorm3d):
    """BatchNorm3d whose statistics are those of the whole batch, of which each process has a part.

    ``torch.nn.SyncBatchNorm`` does the same on GPUs only. Tensor names are BatchNorm3d's.
    Input and output (B, C, T, H, W), of the same shape in every process.
    """

    def __init__(self, channels: int, team: Team) -> None:
        super().__init__(channels)
        self._team = team

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        others = (0, 2, 3, 4)
        values = self._team.size * x.numel() // x.shape[1]
        mean = self._team.total(x.sum(others)) / values
        centred = x - _spread(mean)
        variance = self._team.total(centred.square().sum(others)) / values
        self._follow(mean.detach(), variance.detach() * (values / (values - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * _spread(scale) + _spread(self.bias)

    @torch.no_grad()
    def _follow(self, mean: Tensor, unbiased: Tensor) -> None:
        """Move the running statistics, as BatchNorm does."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked.add_(1)


def over_team(module: nn.Module, team: Team) -> None:
    """Let the batch norms inside take their statistics over a team."""
    if team.size == 1:
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm3d):
                synced = TeamBatchNorm3d(child.num_features, team)
                synced.load_state_dict(child.state_dict())
                parent.add_module(name, synced)


def _spread(channels: Tensor) -> Tensor:
    """(C,) to (C, 1, 1, 1)."""
    return channels.view(-1, 1, 1, 1)
