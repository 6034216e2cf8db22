"""Seams lie where the parts of a reconstruction meet."""

import pytest
import torch
from torch import Tensor

from odvae.inference import Seams, Tiling, decode, find_seams
from odvae.model import Compression
from tests.inference.fake_vae import FrameNumberVAE, LosslessVAE


class CallNumberVAE(FrameNumberVAE):
    """Decodes to the number of the call: who made a frame can be read from it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def decode(self, latents: Tensor) -> Tensor:
        self.calls += 1
        return torch.full_like(super().decode(latents), self.calls)


ANY = LosslessVAE(Compression(4, 8, 8))


@pytest.mark.parametrize(
    ("group_frames", "frames", "first"),
    [
        (9, 33, (9, 17, 25)),  # groups 0-8, 8-16, 16-24, 24-32: the shared frame is the earlier's
        (17, 33, (17,)),
        (33, 33, ()),
        (33, 97, (33, 65)),
        (9, 13, (9,)),
        (9, 14, (9,)),
        (5, 1, ()),
    ],
)
def test_seams_of_groups(group_frames: int, frames: int, first: tuple[int, ...]) -> None:
    tiling = Tiling.temporal(group_frames)
    assert find_seams(ANY, (frames, 64, 64), tiling) == Seams(frames=first)


@pytest.mark.parametrize("group_frames", [5, 9, 17])
@pytest.mark.parametrize("frames", [1, 5, 13, 33, 41])
def test_a_group_makes_the_frames_between_two_seams(group_frames: int, frames: int) -> None:
    vae = CallNumberVAE()
    tiling = Tiling.temporal(group_frames)
    decoded = decode(vae, torch.zeros(1, 1, (frames - 1) // 4 + 1, 8, 8), tiling)
    changes = decoded[0, 0, :, 0, 0].diff().nonzero().flatten() + 1
    assert find_seams(vae, (frames, 8, 8), tiling).frames == tuple(changes.tolist())


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        ((9, 64, 64), (24, 48), (24, 48)),
        ((9, 32, 64), (24,), (24, 48)),  # the last tile lies inside its neighbour
        ((9, 32, 32), (), ()),
    ],
)
def test_seams_of_tiles(
    size: tuple[int, int, int], rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    tiling = Tiling.spatiotemporal(5, tile_px=32, overlap=0.25)
    expected = Seams(frames=(5,), rows_px=rows, columns_px=columns)
    assert find_seams(ANY, size, tiling) == expected


def test_seams_of_chunks_and_of_whole_clips() -> None:
    assert find_seams(ANY, (17, 64, 64), Tiling.stream(6)) == Seams(frames=(6, 12))
    assert find_seams(ANY, (17, 64, 64), Tiling.off()) == Seams()
