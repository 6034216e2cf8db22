"""A folder of frames reads exactly as a file would."""

from pathlib import Path

import numpy as np
import pytest

from odvae.data import FrameStore, UnreadableVideo, VideoRange, probe, read_frames
from odvae.data.frame_folder import frame_names, index_frame_folder, natural_order

from .made_videos import HEIGHT_PX, WIDTH_PX, make_frames, numbered_frame, shown_numbers

TWELVE = [f"frame_{number}.png" for number in range(1, 13)]  # frame_10 sorts before frame_2


def test_it_is_probed_as_a_video(tmp_path: Path) -> None:
    info = probe(make_frames(tmp_path / "v", TWELVE))
    assert (info.frames, info.height, info.width, info.fps) == (12, HEIGHT_PX, WIDTH_PX, 25)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_frames_come_in_natural_order(suffix: str, tmp_path: Path) -> None:
    names = [f"a_{number}{suffix}" for number in range(12)]
    folder = make_frames(tmp_path / "v", names)
    (folder / "readme.txt").write_text("no frame")
    (folder / ".hidden.png").write_text("no frame either")
    assert shown_numbers(read_frames(folder, 0, count=12)) == list(range(12))
    assert shown_numbers(read_frames(folder, 2, count=4, stride=3)) == [2, 5, 8, 11]


def test_png_is_read_to_the_bit(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "sp ace é", ["ü 1.png", "ü 2.png"], first_number=7)
    expected = np.stack([numbered_frame(7), numbered_frame(8)])
    np.testing.assert_array_equal(read_frames(folder, 0, count=2), expected)


def test_natural_order_compares_numbers_and_never_fails() -> None:
    names = ["b", "a10", "a9", "10", "9a", "a", "a09", ""]
    assert sorted(names, key=natural_order) == ["", "9a", "10", "a", "a09", "a9", "a10", "b"]


def test_the_store_gives_windows_of_it(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "v", TWELVE)
    video = VideoRange(folder, "v", 2, 12)
    store = FrameStore(HEIGHT_PX)
    for _ in range(3):  # from the files, then from memory
        assert shown_numbers(store.window(video, 3, count=4, stride=2)) == [3, 5, 7, 9]


@pytest.mark.parametrize("name", ["frame_5.png", "frame_5.jpg"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_a_cut_off_image_is_no_frame(name: str, kept: float, tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "v", [f"frame_{n}{Path(name).suffix}" for n in range(8)])
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * kept)])
    assert probe(folder).frames == 8
    assert shown_numbers(read_frames(folder, 0, count=5)) == [0, 1, 2, 3, 4]
    with pytest.raises(UnreadableVideo, match="frame 5 does not decode"):
        read_frames(folder, 3, count=4)
    assert shown_numbers(read_frames(folder, 4, count=2, stride=2)) == [4, 6]


def test_the_content_and_not_the_suffix_says_what_an_image_is(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "v", ["1.png", "2.jpg"])
    (folder / "1.png").rename(folder / "1.jpg")
    assert shown_numbers(read_frames(folder, 0, count=2)) == [0, 1]


def test_folders_that_hold_no_video(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideo, match="a folder without images"):
        probe(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(UnreadableVideo, match="no frame decodes"):
        probe(tmp_path)
    with pytest.raises(UnreadableVideo, match="No such file"):
        index_frame_folder(tmp_path / "missing")
    assert frame_names(tmp_path) == ("1.png",)
