"""The networks behind the Frechet distance: what they are shown, and what never changes."""

import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.metrics import I3d, UntrainedR3d18, WeightsMissing, weights
from odvae.metrics.frechet import frechet_distance_of
from odvae.metrics.frechet_features import i3d_crop


class FakeI3d(nn.Module):
    """Takes the arguments of the published TorchScript file and tells what it was given."""

    def forward(
        self,
        x: Tensor,
        rescale: bool = True,
        resize: bool = True,
        return_features: bool = False,
    ) -> Tensor:
        assert x.shape[1] == 3 and x.shape[3] == 224 and x.shape[4] == 224
        assert not rescale and not resize and return_features
        return x.mean(dim=(2, 3, 4)).repeat(1, 134)[:, :400]


@pytest.fixture
def fake_i3d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> I3d:
    path = tmp_path / "fake.pt"
    with warnings.catch_warnings():  # TorchScript is deprecated; I3D is published in nothing else
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(FakeI3d()).save(path)  # type: ignore[no-untyped-call, unused-ignore]
    monkeypatch.setattr(weights, "fetch", lambda name: path)
    return I3d()


@pytest.mark.parametrize("size", [(240, 266), (266, 240)])
def test_i3d_crop_has_the_published_offset(size: tuple[int, int]) -> None:
    """240x266 becomes 224x249 (248.3 rounded up), of which columns 12 to 235 are kept."""
    clip = torch.rand(2, 3, 2, *size)
    target = (224, 249) if size[0] < size[1] else (249, 224)
    got = i3d_crop(clip)
    assert got.shape == (2, 3, 2, 224, 224)
    image = F.interpolate(clip[:, :, 1], size=target, mode="bilinear", align_corners=False)
    top, left = (0, 12) if size[0] < size[1] else (12, 0)
    torch.testing.assert_close(got[:, :, 1], image[:, :, top : top + 224, left : left + 224])


def test_i3d_crop_leaves_224_alone_and_rounds_exact_ratios_exactly() -> None:
    clip = torch.rand(1, 3, 2, 224, 224)
    torch.testing.assert_close(i3d_crop(clip), clip)
    assert i3d_crop(torch.rand(1, 3, 1, 30, 60)).shape[-2:] == (224, 224)


def test_i3d_is_shown_minus_1_to_1_at_224(fake_i3d: I3d) -> None:
    clip = torch.full((2, 3, 10, 32, 40), -2.0)
    features = fake_i3d.features(clip)
    torch.testing.assert_close(features, torch.full((2, 400), -1.0, dtype=torch.float64))
    assert fake_i3d.name == "fvd"


def test_i3d_needs_ten_frames(fake_i3d: I3d) -> None:
    with pytest.raises(UserError, match="at least 10 frames, got 9"):
        fake_i3d.features(torch.zeros(1, 3, 9, 32, 32))


@pytest.mark.usefixtures("bare_computer")
def test_without_weights_there_is_no_fvd() -> None:
    with pytest.raises(WeightsMissing):
        I3d()


def test_untrained_network_is_the_same_in_every_run_and_leaves_the_generator_alone(
    clips: Tensor,
) -> None:
    torch.manual_seed(5)
    first = UntrainedR3d18()
    drawn = torch.rand(3)
    torch.manual_seed(5)
    torch.testing.assert_close(torch.rand(3), drawn, rtol=0, atol=0)
    second = UntrainedR3d18()
    small = clips[:2, ..., :24, :24]
    features = first.features(small)
    assert features.shape == (2, first.dimensions) and features.dtype == torch.float64
    torch.testing.assert_close(features, second.features(small), rtol=0, atol=0)


def test_untrained_network_orders_distortions_in_space_and_time(clips: Tensor) -> None:
    network = UntrainedR3d18()
    small = clips[..., :24, :24]
    originals = network.features(small)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(small.shape, generator=generator)
    slight = frechet_distance_of(originals, network.features(small + 0.05 * noise))
    strong = frechet_distance_of(originals, network.features(small + 0.3 * noise))
    shuffled = frechet_distance_of(
        originals, network.features(small[:, :, [0, 8, 1, 7, 2, 6, 3, 5, 4]])
    )
    assert frechet_distance_of(originals, originals) < 1e-9 < slight < strong
    assert shuffled > 1e-6


def test_untrained_network_takes_an_image_and_shows_a_broken_clip() -> None:
    network = UntrainedR3d18()
    image = torch.zeros(2, 3, 1, 16, 16)
    image[1, 0, 0, 3, 3] = torch.inf
    assert network.features(image).isnan().any(dim=1).tolist() == [False, True]
