"""Tiling as data: what may be asked for, in code and in a configuration."""

import re

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, ValidationError

from odvae.errors import UserError
from odvae.inference import Tiling, TilingConfig, TilingMode

BAD_GROUPS = [-3, 0, 1, 4, 6, 8, 32]


@pytest.mark.parametrize("group_frames", BAD_GROUPS)
def test_groups_must_be_whole_latents(group_frames: int) -> None:
    message = f"tiling.group_frames must be 4m+1 (5, 9, ...), got {group_frames}"
    with pytest.raises(UserError, match=re.escape(message)):
        Tiling.temporal(group_frames)
    with pytest.raises(UserError, match=re.escape(message)):
        TilingConfig(mode=TilingMode.temporal, group_frames=group_frames)


def test_a_tiling_is_a_value() -> None:
    assert Tiling.off() == Tiling.off()
    assert Tiling.temporal(9) == Tiling.temporal(9)
    assert len({Tiling.off(), Tiling.temporal(9), Tiling.temporal(13), Tiling.temporal(9)}) == 3


def test_the_default_group_is_the_papers() -> None:
    assert Tiling.temporal() == Tiling.temporal(33)
    assert TilingConfig(mode=TilingMode.temporal).build() == Tiling.temporal(33)


def test_build() -> None:
    assert TilingConfig().build() == Tiling.off()
    built = TilingConfig(mode=TilingMode.temporal, group_frames=17).build()
    assert built == Tiling.temporal(17)


def test_from_the_command_line() -> None:
    schema = OmegaConf.structured(TilingConfig)
    merged = OmegaConf.merge(schema, OmegaConf.from_dotlist(["mode=temporal", "group_frames=9"]))
    config = OmegaConf.to_object(merged)
    assert isinstance(config, TilingConfig)
    assert config.build() == Tiling.temporal(9)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mode=spatial", ValidationError),
        ("group_frames=9.5", ValidationError),
        ("f=9", ConfigKeyError),
    ],
)
def test_what_the_command_line_refuses(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        OmegaConf.merge(OmegaConf.structured(TilingConfig), OmegaConf.from_dotlist([text]))
