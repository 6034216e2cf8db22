"""Less memory or time for the same training. Each wraps a model from outside, in place."""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)
from torch.utils.flop_counter import flop_registry

from odvae.model import ODVAE
from odvae.training.config import TrainerConfig


def apply(config: TrainerConfig, vae: ODVAE) -> None:
    """Apply what the configuration asks for. Copies made before, such as the EMA, stay plain."""
    if config.checkpoint_activations:
        checkpoint_activations(vae)
    if config.free_activations:
        free_activations(vae)
    if config.compile:
        for part in (vae.encoder, vae.decoder):
            part.compile()


def checkpoint_activations(vae: ODVAE) -> None:
    """Keep the input of every block, not what is inside: computed again for the backward pass.

    The results are the same to the last bit.
    """
    _compute_again(vae)


def free_activations(vae: ODVAE) -> None:
    """Keep inside a block what convolutions and products of matrices give, and nothing else.

    Norms, swish and padded copies take little time but much memory: they are computed again for the
    backward pass. The results are the same to the last bit.
    """
    _compute_again(vae, context_fn=partial(create_selective_checkpoint_contexts, _products))


def _products(_: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    """What is worth keeping: what has multiplications that one would count."""
    counted = getattr(operation, "overloadpacket", None) in flop_registry
    return CheckpointPolicy.MUST_SAVE if counted else CheckpointPolicy.PREFER_RECOMPUTE


def _compute_again(vae: ODVAE, **how: Any) -> None:
    for stage in [*vae.encoder.stages(), *vae.decoder.stages()]:
        if any(True for _ in stage.children()):
            # On the instance: the class, and copies made before, keep their own.
            vars(stage)["forward"] = partial(
                checkpoint, stage.forward, use_reentrant=False, preserve_rng_state=False, **how
            )


def channels_last(module: nn.Module) -> None:
    """Let convolutions compute with channels innermost in memory."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            part.to(memory_format=torch.channels_last_3d)
        elif isinstance(part, nn.Conv2d):
            part.to(memory_format=torch.channels_last)
