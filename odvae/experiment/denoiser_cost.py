"""What a step of a denoiser's training takes in memory: the TMem of the paper's Table 2."""

import torch

from odvae.experiment.denoiser_training import DenoiserTraining
from odvae.experiment.peak_memory import peak_growth_mb
from odvae.training.objective import Place
from odvae.training.precision import Arithmetic
from odvae.training.state import MODEL

_ADAM_MOMENTS = 2


def training_memory_mb(training: DenoiserTraining, arithmetic: Arithmetic) -> float | None:
    """MiB of a process: weights, their average, Adam, gradients and activations of its clips.

    Weights, average and Adam's moments are counted; what a forward and a backward pass add is
    measured, with the gradients, and nothing is learned from them. Adam's own working memory is
    left out. None: this system does not tell.
    """
    state, objective = training.state, training.objective
    batch = next(objective.batches(0, 1, 0))

    def step() -> None:
        with arithmetic.autocast():
            losses = objective.losses[MODEL](batch, Place(0))
        torch.stack([term.float() for term in losses.terms.values()]).sum().backward()

    state.model.train()
    step()  # what is made once, such as the kernels of a GPU's libraries
    state.model.zero_grad(set_to_none=True)
    growth_mb = peak_growth_mb(step, arithmetic.device)
    state.model.zero_grad(set_to_none=True)
    if growth_mb is None:
        return None
    weights = sum(p.numel() * p.element_size() for p in state.model.parameters())
    return growth_mb + (2 + _ADAM_MOMENTS) * weights / 2**20
