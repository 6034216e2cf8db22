"""The evaluation clips: fixed, spread, all different, tied to the files by hash."""

import hashlib
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from odvae.data import (
    Augment,
    DataConfig,
    DataSource,
    Manifest,
    Source,
    make_manifest,
    open_source,
)
from odvae.data.manifest import _even_shares
from odvae.errors import UserError
from odvae.hashing import file_sha256

from .made_videos import FORMATS, make_video


@pytest.fixture(scope="module")
def bundled() -> Source:
    return open_source(DataConfig())


def test_making_it_twice_gives_the_same(bundled: Source) -> None:
    first = make_manifest(bundled, DataConfig())
    assert first == make_manifest(open_source(DataConfig()), DataConfig())
    assert first.digest == make_manifest(bundled, DataConfig()).digest


@pytest.mark.parametrize(
    "config",
    [
        DataConfig(clip_frames=5),
        DataConfig(size_px=32),
        DataConfig(short_side_px=96),
        DataConfig(frame_stride=2),
        DataConfig(eval_clips=12),
    ],
)
def test_the_digest_tells_protocols_apart(bundled: Source, config: DataConfig) -> None:
    assert make_manifest(bundled, config).digest != make_manifest(bundled, DataConfig()).digest


def test_the_digest_ignores_what_is_for_training_only(bundled: Source) -> None:
    plain = make_manifest(bundled, DataConfig(augment=Augment.none))
    assert plain.digest == make_manifest(bundled, DataConfig()).digest


@pytest.mark.parametrize("eval_clips", [1, 2, 3, 7, 24, 150, 400])
def test_clips_are_held_out_different_and_shared_out_evenly(
    bundled: Source, eval_clips: int
) -> None:
    config = DataConfig(eval_clips=eval_clips)
    clips = make_manifest(bundled, config).clips
    assert len(clips) == len(set(clips)) == eval_clips
    ranges = {video.name: video for video in bundled.heldout}
    for clip in clips:
        assert ranges[clip.file].first_frame <= clip.start_frame
        assert clip.start_frame + config.span_frames <= ranges[clip.file].end_frame
        assert clip.top_px >= 0 and clip.left_px >= 0
    counts = Counter(clip.file for clip in clips)
    if eval_clips <= 150:
        assert max(counts.values()) - min(counts[name] for name in ranges) <= 1


def test_each_video_is_covered_from_its_first_to_its_last_held_out_frame(bundled: Source) -> None:
    clips = make_manifest(bundled, DataConfig()).clips
    for video in bundled.heldout:
        starts = [clip.start_frame for clip in clips if clip.file == video.name]
        assert starts[0] == video.first_frame
        assert starts[-1] == video.end_frame - 9
        gaps = [after - before for before, after in pairwise(starts)]
        assert max(gaps) - min(gaps) <= 1


def test_the_papers_protocol_is_the_centre_crop_from_the_start(bundled: Source) -> None:
    config = DataConfig(clip_frames=33, size_px=256, short_side_px=256, eval_clips=3)
    bikes = make_manifest(bundled, config).clips[0]
    assert (bikes.file, bikes.start_frame) == ("bikes.mp4", 175)
    assert (bikes.top_px, bikes.left_px) == (0, (602 - 256) // 2)  # 640x272 -> 602x256


def test_clips_that_share_a_start_have_other_crops(bundled: Source) -> None:
    config = DataConfig(clip_frames=33, eval_clips=60)
    clips = make_manifest(bundled, config).clips
    carphone = [clip for clip in clips if clip.file == "carphone_pristine.mp4"]
    assert len(carphone) == 20 and len({clip.start_frame for clip in carphone}) == 4
    assert (carphone[0].top_px, carphone[0].left_px) == (8, 17)  # centre of 80 x 98


def test_all_clips_there_are_when_more_are_wanted(tmp_path: Path) -> None:
    for number in range(2):
        make_video(tmp_path / f"v{number}.mkv", 6, FORMATS["mkv, lossless"])
    config = DataConfig(
        source=DataSource.folder, path=str(tmp_path), clip_frames=5, size_px=48, short_side_px=48
    )
    source = open_source(config)  # 64x48: 2 starts, 3 crops
    six = make_manifest(source, config).clips
    assert make_manifest(source, replace(config, eval_clips=6)).clips == six
    assert sorted((clip.start_frame, clip.left_px) for clip in six) == [
        (start, left) for start in (0, 1) for left in (0, 8, 16)
    ]


def test_json_round_trip(bundled: Source) -> None:
    manifest = make_manifest(bundled, DataConfig())
    read = Manifest.from_json(manifest.to_json())
    assert read == manifest
    assert read.digest == manifest.digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"clips": [{"file": "a"}]}', '{"clips": 3}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a manifest"):
        Manifest.from_json(text)


def test_the_hash_is_of_the_file_and_follows_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"another"):
        path.write_bytes(content)
        assert file_sha256(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("capacity", "wanted", "shares"),
    [
        ([9, 9, 9], 7, [3, 2, 2]),
        ([1, 9, 2], 7, [1, 4, 2]),
        ([9] * 6, 2, [1, 0, 0, 1, 0, 0]),
        ([1, 1], 2, [1, 1]),
    ],
)
def test_shares_fill_up_evenly(capacity: list[int], wanted: int, shares: list[int]) -> None:
    assert _even_shares(capacity, wanted) == shares
