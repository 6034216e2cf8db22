"""The recipe that trains a small image VAE well in a quarter of an hour on one CPU core.

Muon on the wide convolutions and Adam on the rest, a warm start (see ``warm_start``), strong
colour augmentation, squared error, residual branches that start at zero, EMA, a cosine to zero.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.data import VideoRange
from odvae.errors import UserError
from odvae.model import ODVAE, Initialisation, inflate
from odvae.model.layers import ResnetBlock
from odvae.training.checkpoints import Checkpoints
from odvae.training.ema import Ema
from odvae.training.image_crops import SHORT_SIDES_PX, ImageCrops
from odvae.training.loop import LoopConfig, Report, train
from odvae.training.muon import Muon
from odvae.training.objective import Losses, Objective, Place
from odvae.training.precision import Arithmetic
from odvae.training.state import MODEL, TrainingState
from odvae.training.warm_start import BlockCode

_MUON_CHANNELS = 16  # a convolution this wide on both sides gets Muon
_POSTERIOR_LOGVAR = -6.0  # starting point: a posterior much narrower than its latents' spread
_CODE_NOISE = 0.05  # std added to the target code before it is decoded
_CODE_SAMPLE_STEPS = 64  # batches that the target code is fitted on


@dataclass(kw_only=True)
class ImageRecipe:
    """How the image VAE is trained. Raises UserError for a field out of range."""

    steps: int = 2200
    seed: int = 0
    crop_px: int = 64
    muon_learning_rate: float = 0.01
    adam_learning_rate: float = 2e-3
    warm_up_steps: int = 30
    warm_start_fraction: float = 0.3  # of the steps: aim at the linear code first
    ema_decay: float = 0.998

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"image_vae.recipe.steps must be at least 1, got {self.steps}")
        most_px = min(SHORT_SIDES_PX)
        if not 8 <= self.crop_px <= most_px or self.crop_px % 8:
            raise UserError(
                f"image_vae.recipe.crop_px must be a multiple of 8 from 8 to {most_px}, "
                f"got {self.crop_px}"
            )
        if self.warm_up_steps < 1:
            raise UserError(
                f"image_vae.recipe.warm_up_steps must be at least 1, got {self.warm_up_steps}"
            )
        for name in ("muon_learning_rate", "adam_learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(
                    f"image_vae.recipe.{name} must be above 0, got {getattr(self, name)}"
                )
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"image_vae.recipe.ema_decay must lie in [0, 1), got {self.ema_decay}")
        if not 0 <= self.warm_start_fraction <= 1:
            raise UserError(
                "image_vae.recipe.warm_start_fraction must lie in [0, 1], "
                f"got {self.warm_start_fraction}"
            )

    def schedule(self, step: int) -> float:
        """Linear warm-up, then a cosine to zero."""
        warm_up = min(1.0, (step + 1) / self.warm_up_steps)
        return warm_up * 0.5 * (1 + math.cos(math.pi * step / self.steps))


def train_image_vae(
    vae: ODVAE,
    ranges: list[VideoRange],
    recipe: ImageRecipe,
    *,
    arithmetic: Arithmetic,
    checkpoints: Checkpoints,
    report: Report,
    checkpoint_every_s: float = 60.0,
) -> ODVAE:
    """Train an image VAE on frames of ``ranges`` from random weights; returns its EMA weights.

    Continues from the newest of ``checkpoints`` if there is one.
    """
    crops = ImageCrops(ranges, size_px=recipe.crop_px, seed=recipe.seed)
    inflate(vae, None, Initialisation.random, torch.Generator().manual_seed(recipe.seed))
    _start_gently(vae)
    vae.to(arithmetic.device)
    sample = torch.cat([crops.batch(step) for step in range(_CODE_SAMPLE_STEPS)])
    code = BlockCode(sample, channels=vae.architecture.latent_channels)
    state = TrainingState(
        modules={MODEL: vae},
        ema=Ema(vae, decay=recipe.ema_decay),
        optimisers={MODEL: _optimisers(vae, recipe)},
    )
    kept = checkpoints.newest()
    if kept is not None:
        state.restore(kept.content)
    loss = ImageLoss(vae, code, recipe)
    objective = Objective(
        batches=crops.batches,
        losses={MODEL: loss},
        schedule=recipe.schedule,
        gradient_clip=1.0,
    )
    every = max(1, recipe.steps // 20)
    config = LoopConfig(
        steps=recipe.steps, log_every_steps=every, checkpoint_every_s=checkpoint_every_s
    )
    train(state, objective, config, arithmetic=arithmetic, checkpoints=checkpoints, report=report)
    averaged = state.ema.model
    assert isinstance(averaged, ODVAE)
    return averaged


class ImageLoss:
    """Squared error; in the warm start, of the latents as well."""

    def __init__(self, vae: ODVAE, code: BlockCode, recipe: ImageRecipe) -> None:
        self._vae = vae
        self._code = code
        self._recipe = recipe

    def __call__(self, pixels: Tensor, place: Place) -> Losses:
        """Terms of the loss on crops (B, 3, 1, H, W)."""
        step = place.step
        noise = torch.Generator(pixels.device).manual_seed(self._recipe.seed * 1_000_003 + step)
        posterior = self._vae.encode(pixels)
        if step >= self._recipe.warm_start_fraction * self._recipe.steps:
            again = self._vae.decode(posterior.sample(noise))
            return Losses({"pixels": F.mse_loss(again, pixels)})
        target = self._code(pixels)
        noisy = target + _CODE_NOISE * torch.empty_like(target).normal_(generator=noise)
        return Losses(
            {
                "latents": F.mse_loss(posterior.mean, target),
                "pixels": F.mse_loss(self._vae.decode(noisy), pixels),
            }
        )


def _start_gently(vae: ODVAE) -> None:
    """Residual branches start at zero, the posterior narrow."""
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, ResnetBlock):
                module.conv2.get_parameter("weight").zero_()
        latent = vae.architecture.latent_channels
        vae.quant_conv.get_parameter("weight")[latent:] = 0
        vae.quant_conv.get_parameter("bias")[latent:] = _POSTERIOR_LOGVAR


def _optimisers(vae: ODVAE, recipe: ImageRecipe) -> list[torch.optim.Optimizer]:
    wide: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for param in vae.parameters():
        is_wide = param.ndim >= 4 and min(param.shape[:2]) >= _MUON_CHANNELS
        (wide if is_wide else rest).append(param)
    return [
        Muon(wide, lr=recipe.muon_learning_rate),
        torch.optim.Adam(rest, lr=recipe.adam_learning_rate, betas=(0.9, 0.95)),
    ]
