"""WebVid, Panda-70M, Kinetics: the CSVs' rows find their files, whole videos stay on one side."""

from pathlib import Path

import pytest

from odvae.data import DataSource, open_source
from odvae.errors import UserError

from .made_sources import frames_of, names, small, video, write_csv

WEBVID, PANDA, KINETICS = DataSource.webvid, DataSource.panda70m, DataSource.kinetics


def webvid_row(number: int) -> dict[str, object]:
    return {
        "videoid": number,
        "contentUrl": f"https://example.org/{number}.mp4",
        "duration": "PT00H00M10S",
        "page_dir": "000001_000050",
        "name": 'A caption, with a "quote"\nand a second line',
    }


def panda_row(name: str, clips: int) -> dict[str, object]:
    stamps = [[f"0:00:{2 * n:02}.000", f"0:00:{2 * n + 2:02}.000"] for n in range(clips)]
    return {
        "videoID": name,
        "url": f"https://example.org/watch?v={name}",
        "timestamp": str(stamps),
        "caption": str(["words"] * clips),
        "matching_score": str([0.5] * clips),
    }


def kinetics_row(label: str, name: str, start: int, split: str = "train") -> dict[str, object]:
    return {
        "label": label,
        "youtube_id": name,
        "time_start": start,
        "time_end": start + 10,
        "split": split,
    }


def test_webvid_finds_both_of_its_layouts(tmp_path: Path) -> None:
    rows = [webvid_row(number) for number in range(8)]
    places = ["000001_000050/{}.mp4", "{}.mp4", "videos/000001_000050/{}.mp4"]
    for number in range(7):
        video(tmp_path / places[number % 3].format(number))
    config = small(WEBVID, tmp_path, write_csv(tmp_path / "results_2M_train.csv", rows))
    source = open_source(config)
    found = names(source.train) + names(source.heldout)
    assert sorted(found) == sorted(places[n % 3].format(n) for n in range(7))
    assert [(s.name, s.reason) for s in source.skipped] == [
        ("000001_000050/7.mp4", "absent: no such file")
    ]
    assert source.train and source.heldout
    assert not frames_of(source.train) & frames_of(source.heldout)


def test_one_csv_is_split_by_name_whatever_the_order_of_its_rows(tmp_path: Path) -> None:
    rows = [webvid_row(number) for number in range(8)]
    for number in range(8):
        video(tmp_path / f"{number}.mp4")
    forwards = open_source(small(WEBVID, tmp_path, write_csv(tmp_path / "a.csv", rows)))
    backwards = open_source(small(WEBVID, tmp_path, write_csv(tmp_path / "b.csv", rows[::-1])))
    assert names(forwards.heldout) == names(backwards.heldout)[::-1]


def test_two_csvs_say_what_is_held_out(tmp_path: Path) -> None:
    for number in range(5):
        video(tmp_path / "videos" / f"{number}.mp4")
    lists = tmp_path / "lists"
    write_csv(lists / "results_2M_train.csv", [webvid_row(n) for n in (0, 1, 2, 3)])
    write_csv(lists / "results_2M_val.csv", [webvid_row(n) for n in (3, 4)])
    source = open_source(small(WEBVID, tmp_path / "videos", lists))
    assert names(source.train) == ["0.mp4", "1.mp4", "2.mp4"]
    assert names(source.heldout) == ["3.mp4", "4.mp4"]
    assert [s.name for s in source.skipped] == ["3.mp4"]


def test_panda_finds_numbered_clips_and_keeps_a_video_on_one_side(tmp_path: Path) -> None:
    for name in "abcdef":
        for clip in range(3):
            video(tmp_path / f"{name}_{clip}.mp4")
    rows = [panda_row(name, 3) for name in "abcdef"] + [panda_row("gone", 2)]
    source = open_source(small(PANDA, tmp_path, write_csv(tmp_path / "panda.csv", rows)))
    train, heldout = ({name[0] for name in names(side)} for side in (source.train, source.heldout))
    assert train | heldout == set("abcdef") and not train & heldout
    assert len(source.train) + len(source.heldout) == 18
    assert [s.name for s in source.skipped] == ["gone_0.mp4", "gone_1.mp4"]


def test_panda_finds_what_its_own_downloader_writes_and_whole_videos(tmp_path: Path) -> None:
    lists, root = tmp_path / "lists", tmp_path / "panda"
    write_csv(lists / "panda70m_training.csv", [panda_row("a", 2), panda_row("b", 1)])
    write_csv(lists / "panda70m_validation.csv", [panda_row("c", 1), panda_row("d", 9)])
    for name in ("train/00000/0000000_00000", "train/00000/0000000_00001", "b", "d"):
        video(root / f"{name}.mp4")
    video(root / "val/00000/0000000_00000.mp4")
    source = open_source(small(PANDA, root, lists))
    assert names(source.train) == [
        "train/00000/0000000_00000.mp4",
        "train/00000/0000000_00001.mp4",
        "b.mp4",
    ]
    assert names(source.heldout) == ["val/00000/0000000_00000.mp4", "d.mp4"]
    assert not source.skipped


def test_kinetics_finds_its_layouts_and_numbers_its_classes(tmp_path: Path) -> None:
    lists, root = tmp_path / "annotations", tmp_path / "k400"
    train = [kinetics_row("zumba", "-a_B3", 7), kinetics_row("air drumming", "b_000001", 0)]
    write_csv(lists / "train.csv", train)
    write_csv(lists / "val.csv", [kinetics_row("baking", "c", 1234, "val"), *train[:0]])
    video(root / "zumba" / "-a_B3_000007_000017.mp4")
    video(root / "b_000001_000000_000010.mp4")
    video(root / "val" / "c_001234_001244.mp4")
    source = open_source(small(KINETICS, root, lists))
    assert [(r.name, r.label) for r in source.train] == [
        ("zumba/-a_B3_000007_000017.mp4", 2),
        ("b_000001_000000_000010.mp4", 0),
    ]
    assert [(r.name, r.label) for r in source.heldout] == [("val/c_001234_001244.mp4", 1)]


def test_a_csv_with_a_byte_order_mark_and_long_fields_is_read(tmp_path: Path) -> None:
    for number in range(2):
        video(tmp_path / f"{number}.mp4")
    rows = [{**webvid_row(n), "name": "x" * 500_000} for n in range(2)]
    path = write_csv(tmp_path / "a.csv", rows)
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    source = open_source(small(WEBVID, tmp_path, path))
    assert len(source.train) == len(source.heldout) == 1


@pytest.mark.parametrize(
    ("source", "text", "said"),
    [
        (WEBVID, "id,url\n1,2\n", r"must have the columns videoid for data=webvid, got id, url"),
        (WEBVID, "", r"must have the columns videoid .* got none"),
        (WEBVID, "videoid\n", r"none of the 0 videos"),
        (PANDA, "videoID,timestamp\na,soon\n", r"row 2 is not sound"),
        (PANDA, "videoID,timestamp\na,7\n", r"row 2 is not sound: not a list"),
        (KINETICS, "youtube_id,time_start,time_end\na,x,1\n", r"row 2 is not sound"),
        (KINETICS, "youtube_id,time_start,time_end\na,1\n", r"row 2 is not sound"),
        (WEBVID, "videoid\n../../1\n", r"none of the 1 videos"),
    ],
)
def test_csvs_that_are_none(source: DataSource, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        open_source(small(source, tmp_path, tmp_path / "a.csv"))
    assert "\n" not in str(caught.value)


def test_the_folder_of_csvs_must_be_clear(tmp_path: Path) -> None:
    config = small(WEBVID, tmp_path, tmp_path / "lists")
    with pytest.raises(UserError, match=r"data\.lists must be a CSV, or a folder with two, got"):
        open_source(config)
    for name in ("train_2M.csv", "train_10M.csv", "val.csv"):
        write_csv(tmp_path / "lists" / name, [webvid_row(1)])
    with pytest.raises(UserError, match=r"one CSV with train .* got train_10M\.csv, train_2M\.csv"):
        open_source(config)
