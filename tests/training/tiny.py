"""A model and clips so small that a training step takes milliseconds. Clips are (B, 3, T, H, W)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from odvae.data import DataConfig, FrameStore, TrainingClips, VideoRange, probe
from odvae.model import ODVAE, Initialisation, inflate
from odvae.training import video_recipe
from odvae.training.config import AdversarialConfig, LossConfig, TrainConfig
from odvae.training.loop import LoopConfig
from odvae.training.objective import Objective
from odvae.training.precision import Arithmetic, Precision
from odvae.training.state import TrainingState
from odvae.training.team import Alone, Team
from tests.data.made_videos import FORMATS, make_video

Batches = Callable[[int, int, int], Iterator[Tensor]]

CPU = Arithmetic(torch.device("cpu"), Precision.fp32)
DATA = DataConfig(clip_frames=5, size_px=16, short_side_px=24)


def tiny_vae(seed: int = 0) -> ODVAE:
    """Variant 4 of width 8, random weights."""
    vae = ODVAE.variant(4, width=8, blocks=1, norm_groups="channels/8")
    generator = torch.Generator().manual_seed(seed)
    return inflate(vae, None, Initialisation.random, generator)


def video_ranges(folder: Path, count: int = 2) -> list[VideoRange]:
    """Short videos that train whole."""
    ranges = []
    for number in range(count):
        path = folder / f"{number}.mkv"
        if not path.exists():
            make_video(path, 20, FORMATS["mkv, lossless"], first_number=20 * number)
        ranges.append(VideoRange(path, path.name, 0, probe(path).frames))
    return ranges


def tiny_training(
    folder: Path,
    *,
    seed: int = 0,
    steps: int = 6,
    adversary_from: int | None = None,
    batch: int = 2,
    team: Team | None = None,
) -> tuple[TrainingState, Objective]:
    """A new video VAE, its Adam and EMA, and its objective on clips that are read ahead."""
    vae = tiny_vae(seed)
    config = TrainConfig(steps=steps, batch=batch)
    weights = LossConfig(adversarial=AdversarialConfig(start_step=adversary_from))
    against = video_recipe.discriminator(weights, seed=seed, team=team)
    state = video_recipe.initial_state(vae, config, Initialisation.random, against=against)
    clips = TrainingClips(
        video_ranges(folder), DATA, seed=seed, store=FrameStore(DATA.short_side_px)
    )
    loss = video_recipe.VideoLoss(vae, weights, None, seed, against, team or Alone())
    objective = video_recipe.objective(clips, config, loss)
    if torch.get_default_dtype() is torch.float64:
        objective = replace(objective, batches=_in_double(objective.batches))
    return state, objective


def _in_double(batches: Batches) -> Batches:
    """The model is in double precision; clips are read in single."""
    return lambda first, end, data_round: (x.double() for x in batches(first, end, data_round))


def loop(steps: int, *, checkpoint_every_s: float = 1e9) -> LoopConfig:
    """So many updates, each reported."""
    return LoopConfig(steps=steps, log_every_steps=1, checkpoint_every_s=checkpoint_every_s)
