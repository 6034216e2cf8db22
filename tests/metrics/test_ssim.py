"""SSIM against two other implementations and what it must be at the ends of its scale."""

import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from odvae.errors import UserError
from odvae.metrics import ssim


def noisy(clip: Tensor, sigma: float) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return clip + sigma * torch.randn(clip.shape, generator=generator)


@pytest.mark.parametrize("sigma", [0.02, 0.2, 0.6])
def test_agrees_with_scikit_image(bikes: Tensor, sigma: float) -> None:
    clip = bikes[:, :, :3]  # not square, so that the axes cannot be exchanged
    other = noisy(clip, sigma)
    got = ssim(clip, other)
    unit_a, unit_b = ((x.double() + 1).div(2).clamp(0, 1) for x in (clip, other))
    for frame in range(3):
        _, full = structural_similarity(  # type: ignore[no-untyped-call, unused-ignore]
            unit_a[0, :, frame].numpy(),
            unit_b[0, :, frame].numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        oracle = full[:, 5:-5, 5:-5].mean()
        assert got[0, frame].item() == pytest.approx(oracle, abs=1e-12)


def test_agrees_with_torchmetrics(clips: Tensor) -> None:
    other = noisy(clips, 0.1)
    unit_a, unit_b = ((x.double() + 1).div(2).clamp(0, 1) for x in (clips, other))
    _, full = structural_similarity_index_measure(
        unit_a[0].transpose(0, 1),
        unit_b[0].transpose(0, 1),
        gaussian_kernel=True,
        sigma=1.5,
        kernel_size=11,
        data_range=1.0,
        return_full_image=True,  # its mean would count reflected borders too
    )
    oracle = full[:, :, 5:-5, 5:-5].mean(dim=(1, 2, 3))
    torch.testing.assert_close(ssim(clips, other)[0], oracle, rtol=0, atol=1e-9)


def test_identical_frames_are_1_and_noise_only_lowers_it(clips: Tensor) -> None:
    perfect = ssim(clips, clips)
    torch.testing.assert_close(perfect, torch.ones(6, 9, dtype=torch.float64))
    slight, strong = (ssim(clips, noisy(clips, sigma)) for sigma in (0.05, 0.5))
    assert (perfect > slight).all() and (slight > strong).all()


def test_constant_frames_have_a_closed_form() -> None:
    a, b = 0.25, 0.75  # on [0, 1]; without variance only the luminance term is left
    frame = torch.ones(1, 3, 1, 16, 16, dtype=torch.float64)
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(frame * (2 * a - 1), frame * (2 * b - 1)).item() == pytest.approx(expected)


def test_order_of_the_two_clips_does_not_matter(clips: Tensor) -> None:
    other = noisy(clips, 0.3)
    torch.testing.assert_close(ssim(clips, other), ssim(other, clips))


def test_a_broken_frame_is_nan_and_its_neighbours_are_not() -> None:
    clip = torch.zeros(1, 3, 3, 12, 12)
    broken = clip.clone()
    broken[0, 0, 1, 6, 6] = torch.inf
    assert ssim(clip, broken).isnan().tolist() == [[False, True, False]]


def test_frames_smaller_than_the_window_are_refused() -> None:
    frame = torch.zeros(1, 3, 1, 11, 11)
    assert ssim(frame, frame).item() == 1
    with pytest.raises(UserError, match="at least 11x11 px, got 11x10"):
        ssim(frame[..., :10], frame[..., :10])
