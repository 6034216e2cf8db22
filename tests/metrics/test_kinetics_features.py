"""torchvision's networks: shown what they were trained on, and named for what they are."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import (  # type: ignore[import-untyped, unused-ignore]
    get_model_weights,
    video,
)

from odvae.errors import UserError
from odvae.metrics import WeightsMissing, weights
from odvae.metrics.feature_networks import FEATURE_NETWORKS
from odvae.metrics.kinetics_features import (
    KINETICS_NETWORKS,
    MC3_18,
    MVIT_V2_S,
    R2PLUS1D_18,
    R3D_18,
    S3D,
    SWIN3D_T,
    KineticsFeatures,
    KineticsNetwork,
    shown,
)
from odvae.metrics.weights_table import TABLE

every_network = pytest.mark.parametrize("network", KINETICS_NETWORKS, ids=lambda row: row.name)


@every_network
@pytest.mark.parametrize("size", [(60, 81), (81, 60), (300, 300)])
def test_each_is_shown_what_torchvision_shows_it(
    network: KineticsNetwork, size: tuple[int, int]
) -> None:
    published = get_model_weights(network.name).KINETICS400_V1.transforms()
    frames = max(network.min_frames, 2)
    clip = torch.rand(1, 3, frames, *size, generator=torch.Generator().manual_seed(0))
    got = shown(network, 2 * clip - 1)
    expected = published(clip.transpose(1, 2))  # takes (B, T, C, H, W) on [0, 1]
    assert got.shape == (1, 3, frames, network.crop_px, network.crop_px)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@every_network
def test_each_needs_as_many_frames_as_published(network: KineticsNetwork) -> None:
    meta = get_model_weights(network.name).KINETICS400_V1.meta
    assert network.min_frames == meta.get("min_temporal_size", 1)
    if network.min_frames > 1:
        message = f"{network.metric}: {network.name} needs clips of at least {network.min_frames}"
        with pytest.raises(UserError, match=message):
            shown(network, torch.zeros(1, 3, network.min_frames - 1, 8, 8))


@every_network
def test_each_has_the_weights_that_torchvision_names(network: KineticsNetwork) -> None:
    published = get_model_weights(network.name).KINETICS400_V1
    (file,) = TABLE[network.name].files
    assert file.url == published.url
    assert file.sha256 is None and published.url.endswith(f"-{file.sha256_prefix}.pth")
    assert file.size_bytes == round(published.meta["_file_size"] * 2**20)
    assert TABLE[network.name].used_for == network.metric


def test_mvit_is_shown_sixteen_evenly_spaced_frames() -> None:
    clip = torch.linspace(-1, 1, 31).view(1, 1, 31, 1, 1).expand(1, 3, 31, 8, 8)
    got = shown(MVIT_V2_S, clip)[0, 0, :, 0, 0] * 0.225 + 0.45
    torch.testing.assert_close(got, torch.linspace(0, 1, 16))


def test_a_broken_pixel_is_shown_as_such() -> None:
    clip = torch.zeros(1, 3, 1, 16, 16)
    clip[0, 0, 0, 8, 8] = torch.inf
    assert shown(R3D_18, clip).isnan().any()


def pretend_published(
    network: KineticsNetwork, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> nn.Module:
    """Give a network random weights in place of the published ones; returns torchvision's own."""
    torch.manual_seed(1)
    original = network.build(video).eval()
    torch.save(original.state_dict(), folder / "weights.pth")
    monkeypatch.setattr(weights, "fetch", lambda name: folder / "weights.pth")
    return original


def check_features(network: KineticsNetwork, original: nn.Module, clips: Tensor) -> None:
    """Features are what the classifier sees: it makes torchvision's logits of them."""
    loaded = KineticsFeatures(network)
    features = loaded.features(clips)
    assert loaded.name == f"frechet_{network.name}"
    assert features.shape == (len(clips), loaded.dimensions) and features.dtype == torch.float64
    classifier = getattr(original, network.classifier)
    with torch.no_grad():
        expected = original(shown(network, clips))
        seen = features.float()
        if network is S3D:  # a 1x1x1 convolution
            seen = seen.view(*seen.shape, 1, 1, 1)
        torch.testing.assert_close(classifier(seen).flatten(1), expected, rtol=1e-3, atol=1e-4)


def test_features_are_what_the_classifier_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pretend_published(R3D_18, tmp_path, monkeypatch)
    clips = torch.rand(1, 3, 2, 32, 40, generator=torch.Generator().manual_seed(2)) * 2 - 1
    check_features(R3D_18, original, clips)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network", [MC3_18, R2PLUS1D_18, S3D, MVIT_V2_S, SWIN3D_T], ids=lambda row: row.name
)
def test_features_of_the_others_are_too(
    network: KineticsNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pretend_published(network, tmp_path, monkeypatch)
    frames = max(network.min_frames, 2)
    clips = torch.rand(1, 3, frames, 32, 40, generator=torch.Generator().manual_seed(2)) * 2 - 1
    check_features(network, original, clips)


def test_loading_leaves_the_generator_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_published(MC3_18, tmp_path, monkeypatch)
    torch.manual_seed(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    KineticsFeatures(MC3_18)
    torch.testing.assert_close(torch.rand(3), drawn, rtol=0, atol=0)


@pytest.mark.usefixtures("bare_computer")
def test_without_weights_there_is_no_network() -> None:
    for name, row in FEATURE_NETWORKS.items():
        if name != "untrained_r3d18":
            with pytest.raises(WeightsMissing, match="download"):
                row.load()


def test_every_network_has_names_of_its_own() -> None:
    names = {row.name: (row.metric, row.kernel_metric) for row in FEATURE_NETWORKS.values()}
    assert names == {
        "i3d": ("fvd", "kvd"),
        "r3d_18": ("frechet_r3d_18", "kvd_r3d_18"),
        "mc3_18": ("frechet_mc3_18", "kvd_mc3_18"),
        "r2plus1d_18": ("frechet_r2plus1d_18", "kvd_r2plus1d_18"),
        "s3d": ("frechet_s3d", "kvd_s3d"),
        "mvit_v2_s": ("frechet_mvit_v2_s", "kvd_mvit_v2_s"),
        "swin3d_t": ("frechet_swin3d_t", "kvd_swin3d_t"),
        "untrained_r3d18": ("fvd_untrained_r3d18", "kvd_untrained_r3d18"),
    }
    assert FEATURE_NETWORKS["untrained_r3d18"].load().name == "fvd_untrained_r3d18"


def test_a_row_says_whether_clips_are_long_enough() -> None:
    i3d = FEATURE_NETWORKS["i3d"]
    assert i3d.refusal(10) is None
    assert i3d.refusal(9) == "fvd: i3d needs clips of at least 10 frames, got 9"
