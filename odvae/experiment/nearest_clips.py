"""How near samples come to what was trained on: new ones, or training clips over again?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from odvae.experiment.generation_bench import Sample
from odvae.experiment.generation_clips import GenerationClips, spread
from odvae.generation.sampling import decode_samples
from odvae.inference import Tiling
from odvae.metrics import psnr_db
from odvae.model import VideoVAE
from odvae.training.precision import Arithmetic

_LOOKED_AT = 2048  # training clips at most, spread evenly over them
_AT_ONCE = 32


@dataclass(frozen=True)
class Nearest:
    """A sample and the training clip whose latents are nearest to its own."""

    sample: Sample
    number: int  # of the training clip
    clip: Tensor  # (3, T, H, W) in [-1, 1]: that clip's reconstruction

    @property
    def psnr_db(self) -> float:
        """Of the sample against the reconstruction: high where it is that clip over again."""
        pair = (self.clip.unsqueeze(0), self.sample.clip.unsqueeze(0))
        return float(psnr_db(*pair).mean())


def nearest_clips(
    samples: Sequence[Sample],
    clips: GenerationClips,
    vae: VideoVAE,
    *,
    tiling: Tiling,
    arithmetic: Arithmetic,
) -> list[Nearest]:
    """The nearest training clip to each sample, by the mean squared distance of latents."""
    numbers = [_nearest(sample.latents, clips) for sample in samples]
    latents = partial(clips.train.sample, noise=None)
    decoded = decode_samples(
        vae,
        (([number], latents(torch.tensor([number]))) for number in numbers),
        scaling=clips.train.scaling,
        size=clips.size,
        tiling=tiling,
        arithmetic=arithmetic,
    )
    return [
        Nearest(one, number, clip) for one, (number, clip) in zip(samples, decoded, strict=True)
    ]


def _nearest(latents: Tensor, clips: GenerationClips) -> int:
    numbers = torch.tensor(spread(len(clips.train), _LOOKED_AT))
    distances = [
        (clips.train.sample(some, noise=None) - latents).square().flatten(1).mean(dim=1)
        for some in numbers.split(_AT_ONCE)
    ]
    return int(numbers[torch.cat(distances).argmin()])
