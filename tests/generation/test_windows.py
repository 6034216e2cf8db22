"""Which clips are encoded, and that they are read exactly."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from odvae.data import DataSource, open_source
from odvae.errors import UserError
from odvae.generation.latent_plan import LatentsConfig
from odvae.generation.windows import ClipWindows
from tests.data.made_sources import make_ucf101, small
from tests.data.made_videos import FORMATS, make_video
from tests.generation.made_caches import clip_of, data_config, training_videos, windows_of


def test_windows_follow_each_other_in_what_trains(short_videos: Path) -> None:
    config = data_config(short_videos)
    source = open_source(config)
    windows = ClipWindows.of(source.train, config, clips=None)
    held_out = {video.name for video in source.heldout}
    by_file: dict[str, list[int]] = {}
    for clip in windows.manifest.clips:
        by_file.setdefault(clip.file, []).append(clip.start_frame)
    assert set(by_file) == {video.name for video in source.train} and not set(by_file) & held_out
    assert all(starts == [0, 5, 10, 15] for starts in by_file.values())
    assert (windows.labels, windows.classes) == ([-1] * len(windows), 0)

    few = ClipWindows.of(source.train, config, clips=len(source.train) + 1)
    starts = [clip.start_frame for clip in few.manifest.clips]
    assert starts.count(0) == len(source.train) and starts.count(5) == 1


def test_labels_are_those_of_the_split_files(tmp_path: Path) -> None:
    config = small(DataSource.ucf101, *make_ucf101(tmp_path))
    windows = ClipWindows.of(open_source(config).train, config, clips=None)
    named = {"ApplyEyeMakeup": 0, "YoYo": 1}
    expected = [named[clip.file.split("/")[0]] for clip in windows.manifest.clips]
    assert windows.labels == expected and set(expected) == {0, 1} and windows.classes == 2


def test_a_clip_is_read_in_pieces_of_the_same_frames(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_video(tmp_path / f"{name}.mkv", 80, FORMATS["mkv, lossless"])
    windows = windows_of(tmp_path, clip_frames=70)
    (piece, *others) = [*windows.pieces([0])]
    assert piece.shape[2] == 32 and [other.shape[2] for other in others] == [32, 6]
    assert_close(torch.cat([piece, *others], dim=2), clip_of(windows, 0, tmp_path), atol=0, rtol=0)


def test_no_clip_and_a_video_that_is_gone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_video(tmp_path / f"{name}.mkv", 6, FORMATS["mkv, lossless"])
    config = data_config(tmp_path)
    videos = training_videos(config)
    with pytest.raises(UserError, match=r"data.clip_frames=7, data.frame_stride=1"):
        ClipWindows.of(videos, replace(config, clip_frames=7), clips=None)
    with pytest.raises(UserError, match="data=folder has no video"):
        ClipWindows.of([], config, clips=None)
    windows = ClipWindows.of(videos, config, clips=None)
    videos[0].path.write_bytes(b"no video")
    with pytest.raises(UserError, match=rf"clip {videos[0].name}@0 cannot be read"):
        next(windows.pieces([0]))


@pytest.mark.parametrize("name", ["clips", "batch", "clips_per_shard"])
def test_a_field_out_of_range(name: str) -> None:
    with pytest.raises(UserError, match=rf"latents.{name} must be .*at least 1, got 0"):
        LatentsConfig(**{name: 0})
