"""Processes that train together: each computes a part of every batch, and all stay alike."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed
from torch import Tensor
from torch.utils._pytree import tree_map_only

from odvae.errors import UserError
from odvae.training.config import TrainerConfig

_BUCKET_VALUES = 1 << 24  # averaged in one go: 64 MiB of float32
_PATIENCE = timedelta(days=2)  # the others wait while process 0 looks at the held-out clips


class TeamBroken(UserError):
    """Another process has ended, and there is no going on without it."""


class Team(Protocol):
    """The processes of a training, as seen from one of them."""

    @property
    def rank(self) -> int:
        """Which of them this one is. Process 0 keeps the results."""
        ...

    @property
    def size(self) -> int:
        """How many they are."""
        ...

    def share(self, content: Any) -> Any:
        """What process 0 gives, tensors on the CPU; what the others give does not matter."""
        ...

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, of the same shapes in every process, by their mean over processes."""
        ...

    def total(self, x: Tensor) -> Tensor:
        """The sum of a tensor over the processes; gradients flow to all of them."""
        ...


class Alone:
    """One process."""

    rank = 0
    size = 1

    def share(self, content: Any) -> Any:
        """The content itself."""
        return content

    def average(self, tensors: Sequence[Tensor]) -> None:
        """They are their own mean."""

    def total(self, x: Tensor) -> Tensor:
        """The tensor itself."""
        return x


class FabricTeam:
    """Processes under Lightning Fabric. They are there already, as torchrun or Slurm starts them.

    Gradients are averaged after the backward pass, not by a wrapper around the model: the model
    is called part by part, and the adaptive weight needs gradients of its own.

    Raises:
        UserError: their number is not the configured one, or there are not as many GPUs.
    """

    def __init__(self, config: TrainerConfig, device: torch.device) -> None:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets at length
        seen = torch.cuda.device_count() if device.type == "cuda" else config.devices
        if config.devices > seen:
            raise UserError(
                f"trainer.devices must be at most {seen}, the GPUs seen here, got {config.devices}"
            )
        self._fabric = Fabric(
            accelerator=device.type,
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=DDPStrategy(timeout=_PATIENCE),
        )
        with _explained():
            self._fabric.launch()

    @property
    def rank(self) -> int:
        """Over all nodes."""
        rank: int = self._fabric.global_rank
        return rank

    @property
    def size(self) -> int:
        """Over all nodes."""
        size: int = self._fabric.world_size
        return size

    def share(self, content: Any) -> Any:
        """Send it, pickled, from process 0 to the others."""
        with _explained():
            return self._fabric.broadcast(tree_map_only(Tensor, Tensor.cpu, content))

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Average them, a bucket at a time."""
        for bucket in _buckets(tensors):
            with _explained():
                flat = torch.cat([tensor.detach().flatten() for tensor in bucket])
                mean = self._fabric.all_reduce(flat, reduce_op="mean")
            assert isinstance(mean, Tensor)
            for tensor, part in zip(bucket, mean.split([t.numel() for t in bucket]), strict=True):
                tensor.detach().copy_(part.view_as(tensor))

    def total(self, x: Tensor) -> Tensor:
        """Sum over processes, forward and backward."""
        with _explained():
            total: Tensor = _Total.apply(x)
        return total

    def close(self) -> None:
        """Take leave of the others, after which nothing else may be called."""
        torch.distributed.destroy_process_group()


class _Total(torch.autograd.Function):
    """Every process gets the sum, so each one's input reaches the loss of all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    values = 0
    for tensor in tensors:
        if bucket and values + tensor.numel() > _BUCKET_VALUES:
            yield bucket
            bucket, values = [], 0
        bucket.append(tensor)
        values += tensor.numel()
    if bucket:
        yield bucket


@contextmanager
def _explained() -> Iterator[None]:
    """The libraries below raise RuntimeError when a connection ends."""
    try:
        yield
    except RuntimeError as error:
        raise TeamBroken(
            "another process of this training has ended; what it printed says why"
        ) from error
