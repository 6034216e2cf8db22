"""The paper's recipe for the video VAE (section 4.1): L1, LPIPS and KL, Adam, EMA."""

from dataclasses import dataclass

import torch
from torch import Tensor

from odvae.data import TrainingClips, prefetch
from odvae.metrics import Lpips, weights_at_hand
from odvae.model import ODVAE, Initialisation
from odvae.training import losses
from odvae.training.config import LossConfig, TrainConfig
from odvae.training.ema import Ema
from odvae.training.loop import Objective, Terms
from odvae.training.state import TrainingState


@dataclass(frozen=True)
class VideoLoss:
    """The weighted terms of the objective; the posterior's noise is a function of (seed, step)."""

    vae: ODVAE
    config: LossConfig
    lpips: Lpips | None  # None: its weights are not at hand
    seed: int

    def __call__(self, video: Tensor, step: int) -> Terms:
        """Terms for clips (B, 3, T, H, W)."""
        noise = torch.Generator(video.device).manual_seed(self.seed * 1_000_003 + step)
        posterior = self.vae.encode(video)
        reconstruction = self.vae.decode(posterior.sample(noise)).float()
        terms = {
            "reconstruction": losses.reconstruction(reconstruction - video),
            "kl": self.config.kl_weight * losses.divergence(posterior),
        }
        if self.lpips is not None:
            distance = self.lpips(video, reconstruction)
            terms["lpips"] = self.config.lpips_weight * losses.perceptual(distance, like=video)
        return terms


def lpips_at_hand(config: LossConfig) -> bool:
    """Whether the LPIPS term is part of the objective: wanted, and its weights are here."""
    return config.lpips_weight > 0 and weights_at_hand(config.lpips_backbone)


def freeze_encoder(vae: ODVAE) -> None:
    """Leave the encoder as it is: only the decoder learns, as SVD-VAE's does."""
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)


def initial_state(vae: ODVAE, config: TrainConfig, how: Initialisation) -> TrainingState:
    """Adam and EMA around an initialised model."""
    random = how is Initialisation.random
    rate = config.learning_rate_random if random else config.learning_rate
    adam = torch.optim.Adam([p for p in vae.parameters() if p.requires_grad], lr=rate)
    return TrainingState(model=vae, ema=Ema(vae, decay=config.ema_decay), optimisers=[adam])


def objective(clips: TrainingClips, config: TrainConfig, loss: VideoLoss) -> Objective:
    """Random clips, the paper's constant learning rate."""
    return Objective(
        batches=lambda first, end: prefetch(clips, first, end_step=end, batch=config.batch),
        loss=loss,
    )
