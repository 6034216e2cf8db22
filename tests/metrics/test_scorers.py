"""Which metrics are computed: what is wanted, what is to be had, what stands in for it."""

import pytest
from omegaconf import OmegaConf

from odvae.errors import UserError
from odvae.metrics import (
    FEATURE_NETWORKS,
    LpipsBackbone,
    MetricsConfig,
    ProtocolConfig,
    available,
)
from odvae.metrics.protocol import FrechetNetwork


@pytest.mark.usefixtures("bare_computer")
def test_without_weights_stand_ins_are_used_under_their_own_names() -> None:
    scorers, missing = available(MetricsConfig())
    assert scorers.names == (
        "psnr_db",
        "ssim",
        "perceptual_untrained_squeeze",
        "flicker",
        "fvd_untrained_r3d18",
        "kvd_untrained_r3d18",
    )
    assert [row.name for row in missing] == ["lpips_alex", "lpips_squeeze", "fvd"]
    assert all("ODVAE_WEIGHTS" in row.reason for row in missing)


@pytest.mark.usefixtures("squeezenet")
def test_one_backbone_is_enough_to_need_no_stand_in() -> None:
    config = MetricsConfig(protocol=ProtocolConfig(lpips=[LpipsBackbone.squeeze], frechet=[]))
    scorers, missing = available(config)
    assert scorers.names == ("psnr_db", "ssim", "lpips_squeeze", "flicker")
    assert missing == []


@pytest.mark.usefixtures("bare_computer")
def test_what_is_not_wanted_is_neither_missing_nor_replaced() -> None:
    scorers, missing = available(MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=[])))
    assert scorers.names == ("psnr_db", "ssim", "flicker") and missing == []


@pytest.mark.usefixtures("bare_computer")
def test_clips_too_small_or_short_are_known_from_the_start() -> None:
    scorers, missing = available(MetricsConfig(), clip_shape=(9, 16, 16))
    reasons = {row.name: row.reason for row in missing}
    assert scorers.names == (
        "psnr_db",
        "ssim",
        "flicker",
        "fvd_untrained_r3d18",
        "kvd_untrained_r3d18",
    )
    assert "at least 31 px, got 16x16" in reasons["lpips_alex"]
    assert "at least 17 px" in reasons["perceptual_untrained_squeeze"]
    assert "at least 10 frames, got 9" in reasons["fvd"]


def test_config_goes_through_omegaconf() -> None:
    schema = OmegaConf.structured(MetricsConfig)
    merged = OmegaConf.merge(
        schema, OmegaConf.from_dotlist(["protocol.lpips=[vgg]", "protocol.frechet=[]"])
    )
    assert OmegaConf.to_object(merged) == MetricsConfig(
        protocol=ProtocolConfig(lpips=[LpipsBackbone.vgg], frechet=[])
    )
    assert MetricsConfig().protocol.lpips == [LpipsBackbone.alex, LpipsBackbone.squeeze]


def test_a_backbone_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"metrics\.protocol\.lpips must name each network once"):
        MetricsConfig(protocol=ProtocolConfig(lpips=[LpipsBackbone.alex, LpipsBackbone.alex]))


def test_every_network_of_the_table_can_be_named() -> None:
    assert {network.value for network in FrechetNetwork} == FEATURE_NETWORKS.keys()


@pytest.mark.usefixtures("bare_computer")
def test_networks_that_cannot_be_had_are_named_one_by_one() -> None:
    wanted = [FrechetNetwork.i3d, FrechetNetwork.s3d, FrechetNetwork.untrained_r3d18]
    config = MetricsConfig(protocol=ProtocolConfig(lpips=[], frechet=wanted))
    scorers, missing = available(config, clip_shape=(17, 32, 32))
    assert [network.name for network in scorers.frechet] == ["fvd_untrained_r3d18"]
    assert [row.name for row in missing] == ["fvd", "frechet_s3d"]


@pytest.mark.usefixtures("bare_computer")
def test_a_quick_look_leaves_the_costly_out() -> None:
    scorers, _ = available(MetricsConfig())
    assert scorers.quick().names == ("psnr_db", "ssim", "perceptual_untrained_squeeze", "flicker")
