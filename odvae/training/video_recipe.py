"""The paper's recipe for the video VAE (section 4.1): L1, LPIPS, KL and a 3D PatchGAN; Adam, EMA.

Where the paper is silent, the released training code decides: hinge loss, adaptive weight of the
adversarial term, turns of model and discriminator.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from odvae.data import Clips, prefetch
from odvae.metrics import Lpips, weights_at_hand
from odvae.model import ODVAE, Initialisation, Posterior
from odvae.training import losses
from odvae.training.config import LossConfig, TrainConfig
from odvae.training.discriminator import PatchDiscriminator
from odvae.training.ema import Ema
from odvae.training.loop import Losses, Objective
from odvae.training.safety import Watch
from odvae.training.state import MODEL, TrainingState

DISCRIMINATOR = "discriminator"


@dataclass(frozen=True)
class VideoLoss:
    """The objective of both players; the posterior's noise is a function of (seed, step)."""

    vae: ODVAE
    config: LossConfig
    lpips: Lpips | None  # None: its weights are not at hand
    seed: int
    discriminator: PatchDiscriminator | None = None

    def __call__(self, video: Tensor, step: int) -> Losses:
        """The model's terms for clips (B, 3, T, H, W)."""
        posterior, reconstruction = self._reconstruct(video, step)
        terms = {"reconstruction": losses.reconstruction(reconstruction - video)}
        if self.lpips is not None:
            distance = self.lpips(video, reconstruction)
            terms["lpips"] = self.config.lpips_weight * losses.perceptual(distance, like=video)
        nll = torch.stack(list(terms.values())).sum()
        terms["kl"] = self.config.kl_weight * losses.divergence(posterior)
        if not self._plays(step):
            return Losses(terms)
        assert self.discriminator is not None
        adversarial = losses.generator_adversarial(self.discriminator(reconstruction).float())
        adaptive = losses.adaptive_weight(*(self._at_last_kernel(x) for x in (nll, adversarial)))
        terms["adversarial"] = self.config.adversarial.weight * adaptive * adversarial
        return Losses(terms, {"adaptive_weight": adaptive, "logits_model": -adversarial.detach()})

    def discriminate(self, video: Tensor, step: int) -> Losses:
        """The discriminator's term for the same clips; the model only looks on."""
        assert self.discriminator is not None
        with torch.no_grad():
            _, reconstruction = self._reconstruct(video, step)
        reals, fakes = (self.discriminator(x).float() for x in (video, reconstruction))
        return Losses(
            {DISCRIMINATOR: losses.discriminator_hinge(reals, fakes)},
            {"logits_real": reals.detach().mean(), "logits_fake": fakes.detach().mean()},
        )

    def turn(self, step: int) -> str:
        """Whose turn it is: both take turns once the discriminator plays."""
        return DISCRIMINATOR if self._plays(step) and step % 2 else MODEL

    def _plays(self, step: int) -> bool:
        start = self.config.adversarial.start_step
        return start is not None and step >= start

    def _at_last_kernel(self, term: Tensor) -> Tensor:
        """The gradient of a term at the decoder's last kernel."""
        kernel = self.vae.decoder.conv_out.get_parameter("weight")
        return torch.autograd.grad(term, kernel, retain_graph=True)[0]

    def _reconstruct(self, video: Tensor, step: int) -> tuple[Posterior, Tensor]:
        noise = torch.Generator(video.device).manual_seed(self.seed * 1_000_003 + step)
        posterior = self.vae.encode(video)
        return posterior, self.vae.decode(posterior.sample(noise)).float()


def lpips_at_hand(config: LossConfig) -> bool:
    """Whether the LPIPS term is part of the objective: wanted, and its weights are here."""
    return config.lpips_weight > 0 and weights_at_hand(config.lpips_backbone)


def freeze_encoder(vae: ODVAE) -> None:
    """Leave the encoder as it is: only the decoder learns, as SVD-VAE's does."""
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)


def discriminator(config: LossConfig, *, seed: int) -> PatchDiscriminator | None:
    """A new discriminator, or None if it never plays."""
    if config.adversarial.start_step is None:
        return None
    return PatchDiscriminator(torch.Generator().manual_seed(seed))


def initial_state(
    vae: ODVAE,
    config: TrainConfig,
    how: Initialisation,
    *,
    against: PatchDiscriminator | None = None,
    discriminator_rate: float | None = None,
) -> TrainingState:
    """Adam and EMA around an initialised model, and Adam around its discriminator.

    Args:
        against: the discriminator, if one plays.
        discriminator_rate: its learning rate; None: the model's.
    """
    random = how is Initialisation.random
    rate = config.learning_rate_random if random else config.learning_rate
    modules: dict[str, nn.Module] = {MODEL: vae}
    adam = torch.optim.Adam([p for p in vae.parameters() if p.requires_grad], lr=rate)
    optimisers: dict[str, list[torch.optim.Optimizer]] = {MODEL: [adam]}
    if against is not None:
        modules[DISCRIMINATOR] = against
        its_adam = torch.optim.Adam(against.parameters(), lr=discriminator_rate or rate)
        optimisers[DISCRIMINATOR] = [its_adam]
    return TrainingState(
        modules=modules,
        optimisers=optimisers,
        ema=Ema(vae, decay=config.ema_decay),
        watch=Watch(config.max_bad_steps),
    )


def objective(clips: Clips, config: TrainConfig, loss: VideoLoss) -> Objective:
    """Random clips, the paper's constant learning rate."""
    return Objective(
        batches=lambda first, end, data_round: prefetch(
            clips, first, end_step=end, batch=config.batch, data_round=data_round
        ),
        losses={MODEL: loss, DISCRIMINATOR: loss.discriminate}
        if loss.discriminator is not None
        else {MODEL: loss},
        turn=loss.turn,
    )
