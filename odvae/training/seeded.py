"""Generators that whole numbers decide, so that nothing of them has to be remembered."""

import numpy as np
import torch


def seeded(*numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that all these numbers decide, such as seed, step and number of a clip.

    Zeros at the end do not count: numbers of one kind of use are always as many. Devices draw
    different numbers from equal seeds.
    """
    sequence = np.random.SeedSequence(numbers)
    return torch.Generator(device).manual_seed(int(sequence.generate_state(1, np.uint64)[0]))
