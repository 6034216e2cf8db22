"""The store changes where frames come from, never what they are."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from odvae.data import FrameStore, UnreadableVideo, VideoRange, read_frames, resize_short_side
from odvae.data import frames as frames_module
from odvae.data.index import FrameIndex
from odvae.data.video import index_frames

from .made_videos import FORMATS, damage_frame, make_video

SHORT_SIDE_PX = 24


@pytest.fixture
def video(tmp_path: Path) -> VideoRange:
    path = make_video(tmp_path / "v.mkv", 40, FORMATS["mkv, B-frames"])
    return VideoRange(path, "v.mkv", 3, 40)


@pytest.mark.parametrize("budget_mb", [0, 64])
def test_windows_are_the_resized_frames(video: VideoRange, budget_mb: int) -> None:
    store = FrameStore(SHORT_SIDE_PX, budget_mb)
    for start, count, stride in ((3, 5, 1), (10, 9, 2), (3, 5, 1), (39, 1, 7), (5, 12, 3)):
        expected = resize_short_side(
            read_frames(video.path, start, count=count, stride=stride), SHORT_SIDE_PX
        )
        np.testing.assert_array_equal(
            store.window(video, start, count=count, stride=stride), expected
        )


def test_a_kept_video_is_not_read_again(video: VideoRange) -> None:
    store = FrameStore(SHORT_SIDE_PX)
    first = store.window(video, 3, count=5)
    store.window(video, 3, count=5)
    video.path.unlink()
    np.testing.assert_array_equal(store.window(video, 3, count=5), first)


def test_a_video_over_the_budget_is_read_by_seeking(video: VideoRange) -> None:
    store = FrameStore(SHORT_SIDE_PX, budget_mb=0)
    for _ in range(3):
        store.window(video, 3, count=5)
    video.path.unlink()
    with pytest.raises(UnreadableVideo, match="No such file"):
        store.window(video, 3, count=5)


def test_a_long_video_is_never_decoded_whole(
    video: VideoRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "WHOLE_VIDEO_FRAMES", 39)
    store = FrameStore(SHORT_SIDE_PX)
    for _ in range(3):
        store.window(video, 3, count=5)
    video.path.unlink()
    with pytest.raises(UnreadableVideo):
        store.window(video, 3, count=5)


def test_the_sound_parts_of_a_damaged_video_stay_readable(tmp_path: Path) -> None:
    path = damage_frame(make_video(tmp_path / "v.avi", 40, FORMATS["avi"]), 17)
    video = VideoRange(path, "v.avi", 0, 40)
    store = FrameStore(SHORT_SIDE_PX)
    for _ in range(3):
        assert store.window(video, 24, count=16).shape == (16, 24, 32, 3)
        with pytest.raises(UnreadableVideo, match="frame 17 does not decode"):
            store.window(video, 15, count=5)


def test_a_window_that_leaves_the_range_is_refused(video: VideoRange) -> None:
    """Or a training clip could show held-out frames."""
    store = FrameStore(SHORT_SIDE_PX)
    store.window(video, 31, count=5, stride=2)
    for start, stride in ((2, 1), (32, 2)):
        with pytest.raises(ValueError, match=r"leave v\.mkv 3\.\.39"):
            store.window(video, start, count=5, stride=stride)


def test_threads_see_the_same_frames(video: VideoRange) -> None:
    store = FrameStore(SHORT_SIDE_PX)
    whole = resize_short_side(read_frames(video.path, 0, count=40), SHORT_SIDE_PX)
    with ThreadPoolExecutor(4) as pool:
        starts = [3 + n % 30 for n in range(60)]
        windows = pool.map(lambda start: store.window(video, start, count=5), starts)
        for start, window in zip(starts, windows, strict=True):
            np.testing.assert_array_equal(window, whole[start : start + 5])


def test_indexes_of_a_large_folder_are_forgotten(
    video: VideoRange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was asked for longest ago is read anew, the others are not."""
    monkeypatch.setattr(frames_module, "INDEXED_FRAMES", 80)
    indexed: list[Path] = []

    def recording(path: Path) -> FrameIndex:
        indexed.append(path)
        return index_frames(path)

    monkeypatch.setattr(frames_module, "index_frames", recording)
    videos = [video]
    for name in ("b.mkv", "c.mkv"):
        copy = tmp_path / name
        copy.write_bytes(video.path.read_bytes())
        videos.append(VideoRange(copy, name, 3, 40))
    a, b, c = videos
    store = FrameStore(SHORT_SIDE_PX, budget_mb=0)
    expected = store.window(a, 3, count=5)
    for one in (b, a, c, a, c, b):  # c drives out b, b drives out a
        np.testing.assert_array_equal(store.window(one, 3, count=5), expected)
    assert indexed == [a.path, b.path, c.path, b.path]
    np.testing.assert_array_equal(store.window(a, 3, count=5), expected)
    assert indexed[4:] == [a.path]
