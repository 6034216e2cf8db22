"""The paper's recipe for the video VAE (section 4.1): L1, LPIPS, KL and a 3D PatchGAN; Adam, EMA.

Where the paper is silent, the released training code decides: hinge loss, adaptive weight of the
adversarial term, turns of model and discriminator.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from odvae.data import Clips, prefetch
from odvae.metrics import Lpips, weights_at_hand
from odvae.model import ODVAE, Initialisation, Posterior
from odvae.training import losses
from odvae.training.batch_norm import over_team
from odvae.training.config import LossConfig, TrainConfig
from odvae.training.discriminator import PatchDiscriminator
from odvae.training.ema import Ema
from odvae.training.objective import Losses, Objective, Place
from odvae.training.safety import Watch
from odvae.training.seeded import seeded
from odvae.training.state import MODEL, TrainingState
from odvae.training.team import Alone, Team

DISCRIMINATOR = "discriminator"


@dataclass(frozen=True)
class VideoLoss:
    """The objective of both players. A clip's noise is a function of (seed, step, its number)."""

    vae: ODVAE
    config: LossConfig
    lpips: Lpips | None  # None: its weights are not at hand
    seed: int
    discriminator: PatchDiscriminator | None = None
    team: Team = field(default_factory=Alone)

    def __call__(self, video: Tensor, place: Place) -> Losses:
        """The model's terms for clips (B, 3, T, H, W)."""
        posterior, reconstruction = self._reconstruct(video, place)
        terms = {"reconstruction": losses.reconstruction(reconstruction - video)}
        if self.lpips is not None:
            distance = self.lpips(video, reconstruction)
            terms["lpips"] = self.config.lpips_weight * losses.perceptual(distance, like=video)
        nll = torch.stack(list(terms.values())).sum()
        terms["kl"] = self.config.kl_weight * losses.divergence(posterior)
        if not self._plays(place.step):
            return Losses(terms)
        assert self.discriminator is not None
        adversarial = losses.generator_adversarial(
            self.discriminator(reconstruction).to(video.dtype)
        )
        gradients = [self._at_last_kernel(term) for term in (nll, adversarial)]
        self.team.average(gradients)
        adaptive = losses.adaptive_weight(*gradients)
        terms["adversarial"] = self.config.adversarial.weight * adaptive * adversarial
        return Losses(terms, {"adaptive_weight": adaptive, "logits_model": -adversarial.detach()})

    def discriminate(self, video: Tensor, place: Place) -> Losses:
        """The discriminator's term for the same clips; the model only looks on."""
        assert self.discriminator is not None
        with torch.no_grad():
            _, reconstruction = self._reconstruct(video, place)
        reals, fakes = (self.discriminator(x).to(x.dtype) for x in (video, reconstruction))
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

    def _reconstruct(self, video: Tensor, place: Place) -> tuple[Posterior, Tensor]:
        posterior = self.vae.encode(video)
        latents = posterior.at(self._noise(posterior.mean, place))
        return posterior, self.vae.decode(latents).to(video.dtype)

    def _noise(self, like: Tensor, place: Place) -> Tensor:
        """Standard normal, (B, C, t, h, w), each clip by itself."""
        clips = []
        for number, clip in enumerate(like, start=place.first_clip):
            generator = seeded(self.seed, place.step, number, device=like.device)
            clips.append(torch.empty_like(clip).normal_(generator=generator))
        return torch.stack(clips)


def lpips_at_hand(config: LossConfig) -> bool:
    """Whether the LPIPS term is part of the objective: wanted, and its weights are here."""
    return config.lpips_weight > 0 and weights_at_hand(config.lpips_backbone)


def freeze_encoder(vae: ODVAE) -> None:
    """Leave the encoder as it is: only the decoder learns, as SVD-VAE's does."""
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)


def discriminator(
    config: LossConfig, *, seed: int, team: Team | None = None
) -> PatchDiscriminator | None:
    """A new discriminator, or None if it never plays; its batch is the team's."""
    if config.adversarial.start_step is None:
        return None
    alone = PatchDiscriminator(torch.Generator().manual_seed(seed))
    over_team(alone, team or Alone())
    return alone


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


def objective(clips: Clips, config: TrainConfig, loss: VideoLoss, *, workers: int = 2) -> Objective:
    """Random clips, read ahead by so many threads; the paper's constant learning rate."""
    team = loss.team
    share = config.batch // team.size
    part = range(team.rank * share, (team.rank + 1) * share)
    return Objective(
        batches=lambda first, end, data_round: prefetch(
            clips,
            first,
            end_step=end,
            batch=config.batch,
            data_round=data_round,
            part=part,
            workers=workers,
        ),
        losses={MODEL: loss, DISCRIMINATOR: loss.discriminate}
        if loss.discriminator is not None
        else {MODEL: loss},
        turn=loss.turn,
    )
