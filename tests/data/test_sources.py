"""Training and held-out frames: disjoint, stable, and nothing left out without a word."""

import shutil
from pathlib import Path

import pytest

from odvae.data import DataConfig, DataSource, VideoRange, open_source
from odvae.errors import UserError

from .made_videos import FORMATS, make_video

FFV1 = FORMATS["mkv, lossless"]


def folder_config(path: Path, *, clip_frames: int = 5, heldout_fraction: float = 0.3) -> DataConfig:
    return DataConfig(
        source=DataSource.folder,
        path=str(path),
        clip_frames=clip_frames,
        heldout_fraction=heldout_fraction,
    )


def frames_of(ranges: list[VideoRange]) -> set[tuple[Path, int]]:
    return {(r.path, n) for r in ranges for n in range(r.first_frame, r.end_frame)}


def names(ranges: list[VideoRange]) -> list[str]:
    return [video.name for video in ranges]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short videos in folders below folders."""
    root = tmp_path_factory.mktemp("tree")
    for number in range(12):
        folder = root / f"set {number % 3}" / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        make_video(folder / f"v{number:02}.MKV", 6, FFV1)
    return root


def test_the_bundled_clips_are_split_by_time() -> None:
    source = open_source(DataConfig())
    assert [(r.name, r.first_frame, r.end_frame) for r in source.train] == [
        ("bikes.mp4", 0, 175),
        ("bigbuckbunny.mp4", 0, 92),
        ("carphone_pristine.mp4", 0, 84),
    ]
    assert [(r.first_frame, r.end_frame) for r in source.heldout] == [
        (175, 250),
        (92, 132),
        (84, 120),
    ]
    assert source.skipped == []
    assert not frames_of(source.train) & frames_of(source.heldout)


def test_a_part_too_short_for_a_clip_is_named() -> None:
    source = open_source(DataConfig(clip_frames=41))
    assert names(source.heldout) == ["bikes.mp4"]
    assert [(skip.name, skip.reason) for skip in source.skipped] == [
        ("bigbuckbunny.mp4", "held-out part: 40 frames, a clip spans 41"),
        ("carphone_pristine.mp4", "held-out part: 36 frames, a clip spans 41"),
    ]


def test_no_part_long_enough_is_an_error() -> None:
    with pytest.raises(
        UserError, match=r"data=bundled has no held-out video of 97 frames"
    ) as caught:
        open_source(DataConfig(clip_frames=25, frame_stride=4))
    assert "bikes.mp4: held-out part: 75 frames" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_split_by_file(tree: Path) -> None:
    source = open_source(folder_config(tree))
    both = names(source.train) + names(source.heldout)
    assert sorted(both) == sorted(p.relative_to(tree).as_posix() for p in tree.rglob("*.MKV"))
    assert source.train and source.heldout and not source.skipped
    assert all((r.first_frame, r.end_frame) == (0, 6) for r in source.train + source.heldout)
    assert names(source.train) == sorted(names(source.train))


def test_the_split_depends_on_names_below_the_root_only(tree: Path, tmp_path: Path) -> None:
    before = open_source(folder_config(tree))
    moved = tmp_path / "elsewhere"
    shutil.copytree(tree, moved)
    make_video(moved / "another.mkv", 6, FFV1)
    after = open_source(folder_config(moved))
    assert set(names(before.train)) <= set(names(after.train))
    assert set(names(before.heldout)) <= set(names(after.heldout))


def test_a_larger_fraction_only_adds_held_out_files(tree: Path) -> None:
    sides = [
        set(names(open_source(folder_config(tree, heldout_fraction=fraction)).heldout))
        for fraction in (1e-9, 0.3, 0.6, 1 - 1e-9)
    ]
    assert len(sides[0]) == 1 and len(sides[3]) == 11
    assert sides[0] <= sides[1] < sides[2] <= sides[3]


def test_a_folder_with_one_usable_video_is_split_by_time(tmp_path: Path) -> None:
    make_video(tmp_path / "only.mkv", 20, FFV1)
    make_video(tmp_path / "short.mkv", 4, FFV1)
    source = open_source(folder_config(tmp_path))
    assert [(r.first_frame, r.end_frame) for r in source.train] == [(0, 14)]
    assert [(r.first_frame, r.end_frame) for r in source.heldout] == [(14, 20)]
    assert [(skip.name, skip.reason) for skip in source.skipped] == [
        ("short.mkv", "too short: 4 frames, a clip spans 5")
    ]


def test_bad_files_are_skipped_named_and_counted(tmp_path: Path) -> None:
    for number in range(3):
        make_video(tmp_path / f"good{number}.mkv", 10, FFV1)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a video\n" * 50)
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "notes.txt").write_text("no video, and not named as one")
    (tmp_path / "folder.mp4").mkdir()
    half = make_video(tmp_path / "half.mkv", 10, FFV1)
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    source = open_source(folder_config(tmp_path, clip_frames=9))
    assert sorted(names(source.train + source.heldout)) == ["good0.mkv", "good1.mkv", "good2.mkv"]
    reasons = {skip.name: skip.reason for skip in source.skipped}
    assert sorted(reasons) == ["empty.mp4", "gone.mp4", "half.mkv", "text.mp4"]
    assert "No such file" in reasons["gone.mp4"]
    assert "a clip spans 9" in reasons["half.mkv"]
    assert "Invalid data" in reasons["empty.mp4"]


def test_nothing_readable_is_an_error_that_names_files(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"text{number}.mp4").write_text("not a video\n" * 50)
    with pytest.raises(UserError, match=r"skipped 5: text0\.mp4: .*; and 2 more$"):
        open_source(folder_config(tmp_path))


def test_paths_that_are_no_folder_of_videos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.path must be an existing folder, got"):
        open_source(folder_config(tmp_path / "missing"))
    with pytest.raises(UserError, match="holds no video file"):
        open_source(folder_config(tmp_path))
    video = make_video(tmp_path / "v.mkv", 9, FFV1)
    with pytest.raises(UserError, match=r"data\.path must be a folder of videos, got the file"):
        open_source(folder_config(video))
