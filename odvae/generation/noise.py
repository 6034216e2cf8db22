"""Random numbers as a function of whole numbers: no batch, process or machine decides on them."""

from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

from odvae.generation.latents import LatentShape
from odvae.training.seeded import seeded


class Use(IntEnum):
    """What random numbers are for, so that one use of a seed tells nothing of another.

    It stands first because the numbers that follow may end in zeros, which would not count.
    """

    batch = 1  # which clips a step trains on
    training_clip = 2  # noise, timestep and dropped class of a clip of a step
    validation = 3
    sample = 4
    sample_class = 5


def generator(use: Use, *numbers: int) -> torch.Generator:
    """A generator for one use, on the CPU: other devices would draw other numbers.

    Args:
        use: what for.
        numbers: what decides besides, at least 0: seeds, steps, numbers of clips.
    """
    return seeded(int(use), *numbers)


def normal(shape: LatentShape, generators: Sequence[torch.Generator]) -> Tensor:
    """Standard normal (B, c, t, h, w), each row from a generator of its own."""
    return torch.stack([torch.randn(shape, generator=one) for one in generators])
