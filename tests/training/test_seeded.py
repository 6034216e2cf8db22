"""Random numbers stay the same from version to version: a run goes on where it was interrupted."""

import pytest
import torch
from torch import Tensor

from odvae.generation.noise import Use, generator
from odvae.training.config import LossConfig
from odvae.training.objective import Place
from odvae.training.seeded import seeded
from odvae.training.video_recipe import VideoLoss
from tests.training.tiny import tiny_vae


@pytest.mark.parametrize(
    ("numbers", "seed"),
    [
        ((0, 3, 1), 4245091184500617293),
        ((5, 0, 0), 12631478326263854183),
        ((int(Use.batch), 1, 2), 9155961368508526270),
    ],
)
def test_seeds_are_those_of_ever(numbers: tuple[int, ...], seed: int) -> None:
    assert seeded(*numbers).initial_seed() == seed


def test_every_use_draws_from_them() -> None:
    assert generator(Use.batch, 1, 2).initial_seed() == 9155961368508526270
    loss = VideoLoss(tiny_vae(), LossConfig(), None, seed=0)
    like = torch.empty(2, 4, 2, 3, 3)

    def drawn(number: int) -> Tensor:
        return torch.randn(4, 2, 3, 3, generator=seeded(0, 3, number))

    noise = loss._noise(like, Place(3, first_clip=1))
    torch.testing.assert_close(noise, torch.stack([drawn(1), drawn(2)]), rtol=0, atol=0)


def test_numbers_in_another_order_decide_otherwise() -> None:
    assert seeded(1, 2).initial_seed() != seeded(2, 1).initial_seed()
