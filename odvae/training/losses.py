"""The terms of the objective (paper section 4.1; released training code). Tensors (B, C, T, H, W).

Each is a plain function of tensors; weights are applied where the terms are put together.
"""

import torch.nn.functional as F
from torch import Tensor

from odvae.model import Posterior

ADAPTIVE_EPS, ADAPTIVE_MOST = 1e-4, 1e4


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


def generator_adversarial(logits_of_fakes: Tensor) -> Tensor:
    """What the decoder is told: the mean logit of its patches, the higher the better."""
    return -logits_of_fakes.mean()


def discriminator_hinge(logits_of_reals: Tensor, logits_of_fakes: Tensor) -> Tensor:
    """Hinge loss: real patches above 1, made ones below -1; each side counts half."""
    reals, fakes = F.relu(1 - logits_of_reals), F.relu(1 + logits_of_fakes)
    return 0.5 * (reals.mean() + fakes.mean())


def adaptive_weight(gradient_nll: Tensor, gradient_adversarial: Tensor) -> Tensor:
    """How much the adversarial term counts: |grad nll| / (|grad g| + 1e-4), at most 1e4.

    Args:
        gradient_nll: of reconstruction plus perceptual term, at the decoder's last kernel.
        gradient_adversarial: of the generator's adversarial term, at the same kernel.
    """
    ratio: Tensor = gradient_nll.norm() / (gradient_adversarial.norm() + ADAPTIVE_EPS)
    return ratio.clamp(0, ADAPTIVE_MOST).detach()
