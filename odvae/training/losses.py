"""The terms of the objective (paper section 4.1; released training code). Tensors (B, C, T, H, W).

Each is a plain function of tensors; weights are applied where the terms are put together.
"""

from torch import Tensor

from odvae.model import Posterior


def reconstruction(error: Tensor) -> Tensor:
    """Sum an absolute error (B, C, T, H, W) over pixels, average it over the B * T frames."""
    return error.abs().sum(dim=(1, 3, 4)).mean()


def perceptual(distance: Tensor, *, like: Tensor) -> Tensor:
    """A distance per frame (B, T), spread over the C * H * W values of ``like`` and summed.

    The released code adds the distance to every pixel's error before it sums them.
    """
    values = like.shape[1] * like.shape[3] * like.shape[4]
    return distance.mean() * values


def divergence(posterior: Posterior) -> Tensor:
    """KL from the unit normal, summed over the whole clip, averaged over the batch."""
    return posterior.kl().mean()
