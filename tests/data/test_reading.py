"""Reading is exact: whatever the format, frame n read by seeking is frame n."""

import os
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
import torch

from odvae.data.index import decoded_frames, index_video, opened_video
from odvae.data.video import UnreadableVideo, iter_frames, probe, read_frames, write_video

from .made_videos import (
    FORMATS,
    HEIGHT_PX,
    WIDTH_PX,
    X264,
    Format,
    damage_frame,
    make_video,
    shown_numbers,
    trim_by_edit_list,
)

FRAMES = 60
CLIPS = Path(os.environ.get("ODVAE_CLIPS", Path(__file__).parents[3] / "shared" / "data" / "clips"))


@pytest.mark.parametrize("name", FORMATS)
def test_every_window_shows_its_own_frames(name: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / f"v{FORMATS[name].suffix}", FRAMES, FORMATS[name])
    index = index_video(video)
    size = (index.info.frames, index.info.height, index.info.width)
    assert size == (FRAMES, HEIGHT_PX, WIDTH_PX)
    whole = read_frames(video, 0, count=FRAMES)
    assert shown_numbers(whole) == list(range(FRAMES))
    for start in (1, 11, 12, 13, 23, 25, 40, 47, 51):
        for stride in (1, 2):
            window = list(iter_frames(video, start, count=5, stride=stride, index=index))
            np.testing.assert_array_equal(window, whole[start : start + 5 * stride : stride][:5])


@pytest.mark.parametrize("hidden", [5, 13])
def test_frames_that_an_edit_list_hides_do_not_count(hidden: int, tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", FRAMES, FORMATS["mp4, B-frames"])
    video = trim_by_edit_list(whole, tmp_path / "trimmed.mp4", hidden)
    assert probe(video).frames == FRAMES - hidden
    for start in (0, 3, 20, FRAMES - hidden - 4):
        numbers = shown_numbers(read_frames(video, start, count=4))
        assert numbers == list(range(hidden + start, hidden + start + 4))


@pytest.mark.parametrize("name", ["mp4, B-frames", "mkv, B-frames", "mkv, lossless"])
def test_seeking_lands_on_the_key_frame_asked_for(name: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / f"v{FORMATS[name].suffix}", FRAMES, FORMATS[name])
    index = index_video(video)
    assert index.pts is not None
    with opened_video(video) as (container, stream):
        container.seek(int(index.key_pts[-1]), stream=stream)
        landed = next(decoded_frames(container, stream))
    assert landed.pts == index.key_pts[-1] > index.pts[0]


def test_lossless_frames_come_back_up_to_the_colour_conversion(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mkv", 10, Format(".mkv", "ffv1"))
    frames = read_frames(video, 0, count=10).astype(int)
    # The ground is grey, 40 + number, which yuv420p keeps to the rounding of limited range.
    expected = 40 + np.arange(10)
    np.testing.assert_allclose(frames[:, 0, -1].mean(axis=-1), expected, atol=1)


@pytest.mark.parametrize(("start", "count", "stride"), [(-1, 2, 1), (0, 0, 1), (0, 2, 0)])
def test_senseless_window_is_a_value_error(
    start: int, count: int, stride: int, tmp_path: Path
) -> None:
    video = make_video(tmp_path / "v.mkv", 3, FORMATS["mkv, lossless"])
    with pytest.raises(ValueError, match="bad window"):
        read_frames(video, start, count=count, stride=stride)


def test_a_window_past_the_end_is_refused(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mkv", 9, FORMATS["mkv, lossless"])
    read_frames(video, 0, count=5, stride=2)
    with pytest.raises(UnreadableVideo, match="frame 9 wanted, it has 9"):
        read_frames(video, 1, count=5, stride=2)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("kept", [0.5, 0.77])
def test_a_file_cut_off_gives_the_frames_that_are_left(
    suffix: str, kept: float, tmp_path: Path
) -> None:
    made_as = FORMATS["avi"] if suffix == ".avi" else Format(suffix, "libx264", X264)
    video = make_video(tmp_path / f"v{suffix}", FRAMES, made_as)
    whole = video.read_bytes()
    video.write_bytes(whole[: int(len(whole) * kept)])
    frames = probe(video).frames
    assert 5 < frames < FRAMES
    numbers = shown_numbers(read_frames(video, 0, count=frames))
    assert numbers == sorted(set(numbers))
    assert numbers[: frames - 5] == list(range(frames - 5))
    assert shown_numbers(read_frames(video, frames - 3, count=3)) == numbers[-3:]


def test_a_damaged_frame_is_named_and_the_others_stay_readable(tmp_path: Path) -> None:
    video = damage_frame(make_video(tmp_path / "v.avi", 40, FORMATS["avi"]), 17)
    assert probe(video).frames == 40
    with pytest.raises(UnreadableVideo, match="frame 17 does not decode"):
        read_frames(video, 14, count=5)
    assert shown_numbers(read_frames(video, 12, count=5)) == [12, 13, 14, 15, 16]
    assert shown_numbers(read_frames(video, 24, count=16)) == list(range(24, 40))


@pytest.mark.parametrize(
    "content", [b"", b"no video at all\n" * 99, b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"]
)
def test_a_file_that_is_no_video_is_unreadable(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=r"Invalid data|no video stream") as caught:
        probe(path)
    assert caught.value.path == path
    assert "\n" not in caught.value.reason


def test_missing_files_and_folders_are_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(UnreadableVideo):
            probe(path)


def test_odd_names_are_only_names(tmp_path: Path) -> None:
    for name in ("a:b.mkv", "100%03d.mkv", "sp ace é #?.mkv"):
        video = make_video(tmp_path / "plain.mkv", 3, FORMATS["mkv, lossless"])
        assert probe(video.rename(tmp_path / name)).frames == 3


@pytest.mark.parametrize(("height", "width"), [(48, 64), (33, 47), (1, 1)])
def test_a_written_video_reads_back(height: int, width: int, tmp_path: Path) -> None:
    ramp = torch.linspace(-0.8, 0.8, 7).view(1, 7, 1, 1).expand(3, 7, height, width)
    write_video(tmp_path / "v.mp4", ramp, fps=12.5)
    info = probe(tmp_path / "v.mp4")
    assert (info.frames, info.fps) == (7, 12.5)
    assert (info.height, info.width) == (height + height % 2, width + width % 2)
    frames = read_frames(tmp_path / "v.mp4", 0, count=7)[:, :height, :width]
    expected = (ramp.permute(1, 2, 3, 0).numpy() + 1) * 127.5
    assert np.abs(frames - expected).max() < 6
    with opened_video(tmp_path / "v.mp4") as (_, stream):
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


def test_frames_that_nothing_needs_are_not_decoded(tmp_path: Path) -> None:
    """An H.264 file says of each B-frame that no other frame refers to it."""
    video = make_video(tmp_path / "v.mp4", FRAMES, FORMATS["mp4, B-frames"])
    index = index_video(video)
    with closing(index.numbered_frames(video, 23, stride=1)) as numbered:
        before = [number for number, _ in takewhile(lambda one: one[0] < 23, numbered)]
    assert 12 in before and len(before) < 11  # key frames are at 12 and 24


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no real clips at {CLIPS} (set ODVAE_CLIPS)")
@pytest.mark.parametrize("name", ["intel_asl_eat.mkv", "mdn_stream-of-water.mp4"])
def test_real_clips_are_read_exactly(name: str) -> None:
    path = CLIPS / name
    with opened_video(path) as (container, stream):
        whole = [frame.to_ndarray(format="rgb24") for frame in decoded_frames(container, stream)]
    info = probe(path)
    assert info.frames == len(whole)
    for start in (0, info.frames // 2, info.frames - 5):
        window = read_frames(path, start, count=5)
        np.testing.assert_array_equal(window, np.stack(whole[start : start + 5]))
