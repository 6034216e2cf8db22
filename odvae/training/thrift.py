"""Less memory or time for the same training. Each wraps a model from outside, in place."""

from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from odvae.model import ODVAE
from odvae.training.config import TrainerConfig


def apply(config: TrainerConfig, vae: ODVAE) -> None:
    """Apply what the configuration asks for. Copies made before, such as the EMA, stay plain."""
    if config.checkpoint_activations:
        checkpoint_activations(vae)
    if config.compile:
        for part in (vae.encoder, vae.decoder):
            part.compile()


def checkpoint_activations(vae: ODVAE) -> None:
    """Keep the input of every block, not what is inside: computed again for the backward pass.

    The results are the same to the last bit.
    """
    for stage in [*vae.encoder.stages(), *vae.decoder.stages()]:
        if any(True for _ in stage.children()):
            again = partial(
                checkpoint, stage.forward, use_reentrant=False, preserve_rng_state=False
            )
            # On the instance: the class, and copies made before, keep their own.
            vars(stage)["forward"] = again


def channels_last(module: nn.Module) -> None:
    """Let convolutions compute with channels innermost in memory."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            part.to(memory_format=torch.channels_last_3d)
        elif isinstance(part, nn.Conv2d):
            part.to(memory_format=torch.channels_last)
