"""Which clips a generation shows, and which training clip a sample is held against."""

from dataclasses import dataclass
from typing import cast

import pytest
import torch
from torch import Tensor

from odvae.experiment.generation_bench import Sample
from odvae.experiment.generation_clips import GenerationClips, spread
from odvae.experiment.nearest_clips import nearest_clips
from odvae.inference import Tiling
from odvae.model import Compression, LatentScaling
from odvae.training.precision import Arithmetic, Precision
from tests.inference.fake_vae import LosslessVAE

CPU = Arithmetic(torch.device("cpu"), Precision.fp32)
SIZE = (2, 8, 8)  # (T, H, W)


@dataclass(frozen=True)
class _Cache:
    """Clips of one brightness each; latents are twice the pixels."""

    brightness: tuple[float, ...]
    scaling = LatentScaling(scale=(2.0,))

    def __len__(self) -> int:
        return len(self.brightness)

    def sample(self, numbers: Tensor, *, noise: Tensor | None) -> Tensor:
        assert noise is None
        return 2 * torch.tensor(self.brightness)[numbers].view(-1, 1, 1, 1, 1).expand(-1, 3, *SIZE)


@dataclass(frozen=True)
class _Clips:
    train: _Cache
    size = SIZE


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(5, 9, [0, 1, 2, 3, 4]), (10, 5, [0, 2, 4, 6, 8]), (7, 3, [0, 2, 4]), (3, 1, [0])],
)
def test_clips_are_spread_evenly(count: int, most: int, chosen: list[int]) -> None:
    assert spread(count, most) == chosen


def test_a_sample_is_held_against_the_nearest_clip() -> None:
    clips = cast(GenerationClips, _Clips(_Cache((-0.5, 0.0, 0.5))))
    made = [
        Sample(number, torch.full((3, *SIZE), 2 * value), torch.full((3, *SIZE), value))
        for number, value in enumerate((0.4, -0.45))
    ]
    vae = LosslessVAE(Compression(1, 1, 1))
    found = nearest_clips(made, clips, vae, tiling=Tiling.off(), arithmetic=CPU)
    assert [one.number for one in found] == [2, 0]
    assert [one.sample.number for one in found] == [0, 1]
    for one, difference in zip(found, (0.1, 0.05), strict=True):
        # In [-1, 1] the range is 2: PSNR = 20 log10(2 / difference).
        expected = 20 * torch.log10(torch.tensor(2 / difference)).item()
        assert one.psnr_db == pytest.approx(expected, abs=1e-3)
