"""The linear code that an image VAE aims at first. Pixels are (B, 3, T, H, W) in [-1, 1]."""

import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.training.warm_start import BlockCode


def _images(count: int, seed: int = 0) -> Tensor:
    """Smooth random colour images, (count, 3, 1, 32, 32)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, size=32, mode="bicubic").clamp(-1, 1)
    return smooth[:, :, None]


def test_components_are_white() -> None:
    images = _images(64)
    code = BlockCode(images, channels=4)(images.double())
    assert code.shape == (64, 4, 1, 4, 4)
    values = code.transpose(0, 1).flatten(1)  # (4, N)
    assert_close(values.mean(dim=1), torch.zeros(4).double(), atol=1e-9, rtol=0)
    assert_close(torch.cov(values), torch.eye(4).double(), atol=1e-9, rtol=0)


def test_components_are_the_main_ones_in_order() -> None:
    """No linear code of so few numbers keeps more of the blocks' variance."""
    images = _images(64)
    blocks = (
        images[:, :, 0].unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3)
    )  # (B, h, w, 192)
    centred = (blocks - blocks.mean(dim=(0, 1, 2))).flatten(0, 2).double()  # (N, 192)
    code = BlockCode(images, channels=4)(images.double())
    rows = code[:, :, 0].permute(0, 2, 3, 1).flatten(0, 2)  # (N, 4), white
    kept = (rows.T @ centred / (len(rows) - 1)).square().sum(dim=1)  # variance by component
    principal = torch.linalg.eigvalsh(torch.cov(centred.T)).flip(0)[:4]
    assert_close(kept, principal)


def test_the_code_does_not_hang_on_the_sign_of_an_eigenvector() -> None:
    images = _images(32)
    once = BlockCode(images, channels=4)(images)
    shuffled = BlockCode(images.flip(0), channels=4)(images)
    assert_close(once, shuffled, atol=1e-4, rtol=0)


def test_blocks_are_coded_alone() -> None:
    code = BlockCode(_images(32), channels=4)
    image = _images(1, seed=1)
    changed = image.clone()
    changed[..., :8, 8:16] = 0.5
    moved = (code(changed) - code(image)).abs().sum(dim=(0, 1, 2)) > 0
    assert moved.nonzero().tolist() == [[0, 1]]
    video = image.expand(-1, -1, 5, -1, -1)
    assert_close(code(video), code(image).expand(-1, -1, 5, -1, -1))
