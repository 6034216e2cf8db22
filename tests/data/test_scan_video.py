"""What a scan says of one video: sound ones of every format, and each way to be broken."""

import os
from pathlib import Path
from threading import Event

import pytest

from odvae.data.listing import Listed
from odvae.data.scan_manifest import ScanEntry
from odvae.data.scan_video import ScanStopped, scan_video
from odvae.hashing import file_sha256

from .made_videos import (
    FORMATS,
    HEIGHT_PX,
    WIDTH_PX,
    X264,
    Format,
    damage_frame,
    make_frames,
    make_video,
    trim_by_edit_list,
)

FRAMES = 30


def scanned(path: Path) -> ScanEntry:
    return scan_video(Listed(path, path.name, label=7), stop=Event())


@pytest.mark.parametrize("name", FORMATS)
def test_a_sound_video_has_no_problem(name: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / f"v{FORMATS[name].suffix}", FRAMES, FORMATS[name])
    entry = scanned(path)
    assert entry.problem is None
    assert (entry.frames, entry.decoded_frames) == (FRAMES, FRAMES)
    assert (entry.height, entry.width, entry.label) == (HEIGHT_PX, WIDTH_PX, 7)
    assert (entry.sha256, entry.size_bytes) == (file_sha256(path), path.stat().st_size)
    assert entry.mtime_ns == path.stat().st_mtime_ns


def test_frames_that_an_edit_list_hides_are_not_missed(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", FRAMES, FORMATS["mp4, B-frames"])
    entry = scanned(trim_by_edit_list(whole, tmp_path / "trimmed.mp4", 5))
    assert (entry.problem, entry.frames) == (None, FRAMES - 5)


@pytest.mark.parametrize("kept", [0.5, 0.9])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_that_was_cut_off(suffix: str, kept: float, tmp_path: Path) -> None:
    path = make_video(tmp_path / f"v{suffix}", FRAMES, Format(suffix, "libx264", X264))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    entry = scanned(path)
    assert entry.problem is not None
    assert entry.problem.startswith("cut off: it holds ")
    assert entry.problem.endswith(f" of {FRAMES} frames")
    assert 0 < entry.decoded_frames == entry.frames < FRAMES


def test_a_damaged_video(tmp_path: Path) -> None:
    path = damage_frame(make_video(tmp_path / "v.avi", FRAMES, FORMATS["avi"]), 17)
    entry = scanned(path)
    assert entry.frames == FRAMES > entry.decoded_frames
    bad = FRAMES - entry.decoded_frames
    assert entry.problem == (
        f"damaged: {bad} of {FRAMES} frames do not decode, the first is frame 17"
    )


@pytest.mark.parametrize("content", [b"", b"no video at all\n" * 99])
def test_a_file_that_is_no_video(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    entry = scanned(path)
    assert entry.problem is not None and entry.problem.startswith("unreadable: Invalid data")
    assert entry.sha256 == file_sha256(path)
    assert (entry.frames, entry.decoded_frames, entry.fps) == (0, 0, 0)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    entry = scanned(tmp_path / "gone.mp4")
    assert entry.problem == "unreadable: No such file or directory"
    assert (entry.sha256, entry.size_bytes, entry.mtime_ns) == (None, 0, 0)


def test_a_folder_of_frames(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "v", [f"{n}.png" for n in range(9)])
    sound = scanned(folder)
    assert (sound.problem, sound.frames, sound.decoded_frames) == (None, 9, 9)
    assert sound.size_bytes == sum(file.stat().st_size for file in folder.iterdir())
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:-200])
    broken = scanned(folder)
    assert broken.problem == "damaged: 1 of 9 frames do not decode, the first is frame 4"
    assert broken.sha256 != sound.sha256 and broken.state != sound.state


def test_a_frame_that_was_renamed_is_a_change(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "v", ["1.png", "2.png", "3.png"])
    for path in (*folder.iterdir(), folder):
        os.utime(path, ns=(1, 1))  # clocks of file systems are coarse
    before = scanned(folder)
    (folder / "1.png").rename(folder / "4.png")
    after = scanned(folder)
    assert before.state != after.state and before.sha256 != after.sha256


def test_a_size_that_changes(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "v", ["1.png", "2.png", "3.png"])
    whole = make_video(tmp_path / "v.mkv", 1, FORMATS["mkv, lossless"])
    assert scanned(whole).problem is None
    write_wide_frame(folder / "2.png")
    entry = scanned(folder)
    assert (entry.problem, entry.decoded_frames) == ("size changes: at frame 1", 2)


def write_wide_frame(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (2 * WIDTH_PX, HEIGHT_PX)).save(path)


def test_a_scan_can_be_called_off_within_a_video(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", 3, FORMATS["mkv, lossless"])
    stop = Event()
    stop.set()
    with pytest.raises(ScanStopped):
        scan_video(Listed(path, "v.mkv"), stop=stop)
