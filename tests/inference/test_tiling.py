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
        Tiling.spatiotemporal(group_frames)
    with pytest.raises(UserError, match=re.escape(message)):
        TilingConfig(mode=TilingMode.temporal, group_frames=group_frames)


@pytest.mark.parametrize("tile_px", [-8, 0, 4, 12, 100, 257])
def test_tiles_must_be_whole_latents(tile_px: int) -> None:
    message = f"tiling.tile_px must be a multiple of 8 (pixels per latent), got {tile_px}"
    with pytest.raises(UserError, match=re.escape(message)):
        Tiling.spatiotemporal(tile_px=tile_px, overlap=0)
    with pytest.raises(UserError, match=re.escape(message)):
        TilingConfig(tile_px=tile_px, overlap=0)


@pytest.mark.parametrize(
    ("tile_px", "overlap", "step"),
    [
        (256, -0.125, "8/256 = 0.03125"),
        (256, 0.625, "8/256 = 0.03125"),
        (256, 0.1, "8/256 = 0.03125"),
        (256, float("nan"), "8/256 = 0.03125"),
        (40, 0.125, "8/40 = 0.2"),
        (8, 0.5, "8/8 = 1"),
    ],
)
def test_tiles_must_overlap_by_whole_latents(tile_px: int, overlap: float, step: str) -> None:
    message = (
        f"tiling.overlap must be 0 to 0.5 in steps of {step}, whole latents of "
        f"tiling.tile_px={tile_px}, got {overlap}"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        Tiling.spatiotemporal(tile_px=tile_px, overlap=overlap)
    with pytest.raises(UserError, match=re.escape(message)):
        TilingConfig(tile_px=tile_px, overlap=overlap)


@pytest.mark.parametrize(
    ("tile_px", "overlap", "overlap_px"),
    [(256, 0.125, 32), (240, 0.1, 24), (32, 0.25, 8), (16, 0.5, 8), (56, 3 / 7, 24), (8, 0, 0)],
)
def test_overlaps_that_divide_out(tile_px: int, overlap: float, overlap_px: int) -> None:
    assert Tiling.spatiotemporal(tile_px=tile_px, overlap=overlap).overlap_px == overlap_px


@pytest.mark.parametrize("chunk_frames", [-1, 0])
def test_chunks_have_a_frame(chunk_frames: int) -> None:
    message = f"tiling.chunk_frames must be at least 1, got {chunk_frames}"
    with pytest.raises(UserError, match=re.escape(message)):
        Tiling.stream(chunk_frames)
    with pytest.raises(UserError, match=re.escape(message)):
        TilingConfig(chunk_frames=chunk_frames)


def test_a_tiling_is_a_value() -> None:
    assert Tiling.off() == Tiling.off()
    assert Tiling.temporal(9) == Tiling.temporal(9)
    assert len({Tiling.off(), Tiling.temporal(9), Tiling.temporal(13), Tiling.temporal(9)}) == 3


def test_the_default_group_is_the_papers() -> None:
    assert Tiling.temporal() == Tiling.temporal(33)
    assert TilingConfig(mode=TilingMode.temporal).build() == Tiling.temporal(33)


def test_the_default_tile_is_the_released_models() -> None:
    tiling = Tiling.spatiotemporal()
    assert tiling == Tiling.spatiotemporal(33, tile_px=256, overlap=0.125)
    assert TilingConfig(mode=TilingMode.spatiotemporal).build() == tiling


@pytest.mark.parametrize(
    ("mode", "tiling"),
    [
        (TilingMode.off, Tiling.off()),
        (TilingMode.temporal, Tiling.temporal(17)),
        (TilingMode.spatiotemporal, Tiling.spatiotemporal(17, tile_px=64, overlap=0.25)),
        (TilingMode.stream, Tiling.stream(3)),
    ],
)
def test_a_mode_reads_its_own_fields(mode: TilingMode, tiling: Tiling) -> None:
    config = TilingConfig(mode=mode, group_frames=17, tile_px=64, overlap=0.25, chunk_frames=3)
    assert config.build() == tiling
    all_fields = {"mode", "group_frames", "tile_px", "overlap", "chunk_frames", "certificate"}
    if_tiled = set() if mode is TilingMode.off else {"certificate"}
    assert config.unread() == all_fields - {"mode"} - set(vars(tiling)) - if_tiled


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
