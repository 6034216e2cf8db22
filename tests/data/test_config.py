"""A wrong setting is told in one line that names the field."""

import pytest
from omegaconf import OmegaConf

from odvae.data import Augment, DataConfig, DataSource
from odvae.errors import UserError


@pytest.mark.parametrize("clip_frames", [0, -3])
def test_a_clip_has_frames(clip_frames: int) -> None:
    with pytest.raises(UserError, match=rf"data\.clip_frames .*at least 1, got {clip_frames}$"):
        DataConfig(clip_frames=clip_frames)


@pytest.mark.parametrize("size_px", [0, -8, 60])
def test_size_is_a_multiple_of_8(size_px: int) -> None:
    with pytest.raises(UserError, match=rf"data\.size_px .* got {size_px}$"):
        DataConfig(size_px=size_px)


def test_the_crop_fits_the_short_side() -> None:
    DataConfig(size_px=64, short_side_px=64)
    with pytest.raises(UserError, match=r"data\.short_side_px must be at least .*64, got 63"):
        DataConfig(size_px=64, short_side_px=63)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 7.0, float("nan")])
def test_the_fraction_lies_inside_0_and_1(fraction: float) -> None:
    with pytest.raises(UserError, match=r"data\.heldout_fraction"):
        DataConfig(heldout_fraction=fraction)


def test_stride_and_eval_clips_are_positive() -> None:
    with pytest.raises(UserError, match=r"data\.frame_stride .* got 0"):
        DataConfig(frame_stride=0)
    with pytest.raises(UserError, match=r"data\.eval_clips .* got 0"):
        DataConfig(eval_clips=0)


@pytest.mark.parametrize("workers", [0, -1])
def test_somebody_reads_ahead(workers: int) -> None:
    with pytest.raises(UserError, match=rf"^data\.workers must be at least 1, got {workers}$"):
        DataConfig(workers=workers)


def test_a_folder_needs_a_path_and_only_a_folder_has_one() -> None:
    with pytest.raises(UserError, match=r"^data=folder needs data\.path=FOLDER$"):
        DataConfig(source=DataSource.folder)
    with pytest.raises(UserError, match="data=folder"):
        DataConfig(path="videos")


@pytest.mark.parametrize(("clip_frames", "stride", "span"), [(1, 7, 1), (9, 1, 9), (9, 3, 25)])
def test_span_runs_from_first_to_last_frame(clip_frames: int, stride: int, span: int) -> None:
    assert DataConfig(clip_frames=clip_frames, frame_stride=stride).span_frames == span


def test_it_is_a_structured_config() -> None:
    written = OmegaConf.merge(
        OmegaConf.structured(DataConfig),
        OmegaConf.from_dotlist(["source=folder", "path=videos", "augment=flip", "clip_frames=5"]),
    )
    read = OmegaConf.to_object(written)
    expected = DataConfig(
        source=DataSource.folder, path="videos", augment=Augment.flip, clip_frames=5
    )
    assert read == expected


def test_a_mistake_on_the_command_line_arrives_as_user_error() -> None:
    written = OmegaConf.merge(OmegaConf.structured(DataConfig), {"clip_frames": 0})
    with pytest.raises(UserError, match="got 0"):
        OmegaConf.to_object(written)
