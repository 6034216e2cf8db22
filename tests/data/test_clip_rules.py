"""Evaluation clips as protocols cut them: where they start, at which rate, through which filter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from odvae.clip_terms import ClipRules, ClipStart, ResizeFilter
from odvae.data import (
    DataConfig,
    FrameStore,
    Source,
    VideoInfo,
    VideoRange,
    config_for,
    evaluation_clips,
    make_manifest,
    resize_short_side,
    to_pixels,
    to_uint8,
)

from .made_videos import FORMATS, make_video

FRAMES = 24
CONFIG = DataConfig(clip_frames=5, size_px=32, short_side_px=40, eval_clips=99)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Two videos whose frames 3..23 are held out."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [make_video(folder / f"{n}.mkv", FRAMES, FORMATS["mkv, lossless"]) for n in range(2)]
    return Source([], [VideoRange(path, path.name, 3, FRAMES) for path in paths], [])


def test_first_is_one_clip_a_video_from_its_first_held_out_frame(source: Source) -> None:
    clips = make_manifest(source, CONFIG, rules=ClipRules(start=ClipStart.first)).clips
    assert [(clip.file, clip.start_frame) for clip in clips] == [("0.mkv", 3), ("1.mkv", 3)]
    assert [(clip.top_px, clip.left_px) for clip in clips] == [(4, 10)] * 2  # centre of 40x53


@pytest.mark.parametrize(("stride", "starts"), [(1, [3, 8, 13, 18]), (2, [3, 13]), (5, [3])])
def test_windows_follow_each_other_and_share_no_frame(
    source: Source, stride: int, starts: list[int]
) -> None:
    config = replace(CONFIG, frame_stride=stride)
    clips = make_manifest(source, config, rules=ClipRules(start=ClipStart.windows)).clips
    assert [clip.start_frame for clip in clips if clip.file == "0.mkv"] == starts
    assert len(clips) == 2 * len(starts)
    few = replace(config, eval_clips=1)
    (only,) = make_manifest(source, few, rules=ClipRules(start=ClipStart.windows)).clips
    assert only.start_frame == 3


def test_a_video_shorter_than_a_clip_gives_none(source: Source) -> None:
    short = replace(source.heldout[0], end_frame=7)
    clips = make_manifest(Source([], [short, source.heldout[1]], []), CONFIG).clips
    assert {clip.file for clip in clips} == {"1.mkv"}
    for start in ClipStart:
        assert make_manifest(Source([], [short], []), CONFIG, rules=ClipRules(start=start)) == (
            make_manifest(Source([], [], []), CONFIG)
        )


@pytest.mark.parametrize(
    ("native", "wanted", "stride"),
    [(60, 30, 2), (25, 30, 1), (29.97, 30, 1), (24, 8, 3), (10, 30, 1), (50, 20, 2)],
)
def test_a_rate_gives_each_video_the_nearest_stride(
    source: Source, native: float, wanted: float, stride: int
) -> None:
    video = replace(source.heldout[0], info=VideoInfo(FRAMES, native, 48, 64))
    assert config_for(video, CONFIG, rules=ClipRules(fps=wanted)).frame_stride == stride
    assert config_for(video, CONFIG, rules=ClipRules()) is CONFIG


def test_videos_of_one_protocol_may_have_other_strides(source: Source) -> None:
    rates = (25, 50)
    videos = [
        replace(video, info=VideoInfo(FRAMES, rate, 48, 64))
        for video, rate in zip(source.heldout, rates, strict=True)
    ]
    rules = ClipRules(start=ClipStart.first, fps=25)
    clips = make_manifest(Source([], videos, []), CONFIG, rules=rules).clips
    assert [clip.frame_stride for clip in clips] == [1, 2]


@pytest.mark.parametrize("resize", ResizeFilter)
def test_clips_are_resized_by_their_filter(source: Source, resize: ResizeFilter) -> None:
    rules = ClipRules(start=ClipStart.first, resize=resize)
    manifest = make_manifest(source, CONFIG, rules=rules)
    store = FrameStore(40, resize=resize)
    (_, pixels), _ = evaluation_clips(manifest, source, store=store)
    frames = FrameStore(48).window(source.heldout[0], 3, count=5)  # as stored
    expected = resize_short_side(frames, 40, resize=resize)[:, 4:36, 10:42]
    np.testing.assert_array_equal(to_uint8(pixels), expected)
    other = next(one for one in ResizeFilter if one is not resize)
    with pytest.raises(ValueError, match=f"need the filter {resize.value}"):
        next(evaluation_clips(manifest, source, store=FrameStore(40, resize=other)))


def test_the_digest_tells_filters_apart(source: Source) -> None:
    digests = {
        make_manifest(source, CONFIG, rules=ClipRules(resize=resize)).digest
        for resize in ResizeFilter
    }
    assert len(digests) == len(ResizeFilter)


def test_only_antialiasing_makes_a_fine_chequerboard_grey() -> None:
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    frames = np.repeat(board[None, :, :, None], 3, axis=-1)

    def far_from_grey(resize: ResizeFilter) -> float:
        resized = resize_short_side(frames, 24, resize=resize)[:, 2:-2, 2:-2]
        return float(np.abs(resized.astype(int) - 127.5).max())

    assert far_from_grey(ResizeFilter.bilinear_antialias) < 4
    assert far_from_grey(ResizeFilter.bilinear) > 20


def test_rounding_down_keeps_whole_levels_and_cuts_off_the_rest() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    pixels = to_pixels(levels)
    np.testing.assert_array_equal(to_uint8(pixels, down=True), levels)
    above = pixels + 0.9 / 127.5
    np.testing.assert_array_equal(to_uint8(above, down=True), levels)
    nearest = np.minimum(levels.astype(int) + 1, 255)
    np.testing.assert_array_equal(to_uint8(above), nearest)


def test_an_old_list_of_clips_is_still_read(source: Source, tmp_path: Path) -> None:
    """From before there was a choice of filters."""
    manifest = make_manifest(source, CONFIG)
    text = manifest.to_json().replace(',\n   "resize": "bicubic_antialias"', "")
    assert "resize" not in text
    assert type(manifest).from_json(text) == manifest
