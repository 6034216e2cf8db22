"""UCF101 and Sky Timelapse: the split is the published one, and nothing is on both sides."""

import shutil
from pathlib import Path

import pytest

from odvae.data import DataConfig, DataSource, FrameStore, make_manifest, open_source
from odvae.data.clips import evaluation_clips
from odvae.errors import UserError

from .made_sources import frames_of, make_ucf101, names, small, video, write_crlf
from .made_videos import make_frames

UCF, SKY = DataSource.ucf101, DataSource.sky_timelapse


@pytest.fixture(scope="module")
def ucf101(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_ucf101(tmp_path_factory.mktemp("ucf"))


@pytest.fixture
def own_ucf101(ucf101: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A copy to spoil."""
    shutil.copytree(ucf101[0].parent, tmp_path / "ucf")
    return tmp_path / "ucf" / ucf101[0].name, tmp_path / "ucf" / ucf101[1].name


@pytest.mark.parametrize(("fold", "heldout"), [(1, "g01"), (2, "g02")])
def test_ucf101_is_split_by_its_lists(ucf101: tuple[Path, Path], fold: int, heldout: str) -> None:
    source = open_source(small(UCF, *ucf101, fold=fold))
    assert names(source.heldout) == [
        f"ApplyEyeMakeup/v_ApplyEyeMakeup_{heldout}_c01.avi",
        f"YoYo/v_YoYo_{heldout}_c01.avi",
    ]
    assert len(source.train) == 4 and not source.skipped
    assert [r.label for r in source.train] == [0, 0, 1, 1]
    assert [r.label for r in source.heldout] == [0, 1]
    assert not frames_of(source.train) & frames_of(source.heldout)


def test_absent_videos_are_skipped_and_counted(own_ucf101: tuple[Path, Path]) -> None:
    root, lists = own_ucf101
    gone = root / "YoYo" / "v_YoYo_g02_c01.avi"
    gone.unlink()
    source = open_source(small(UCF, root, lists))
    assert [(s.name, s.reason) for s in source.skipped] == [
        ("YoYo/v_YoYo_g02_c01.avi", "absent: no such file")
    ]
    assert len(source.train) == 3
    shutil.rmtree(root / "YoYo")
    shutil.rmtree(root / "ApplyEyeMakeup")
    with pytest.raises(UserError, match=r"none of the 6 videos .* the first would be ApplyEye"):
        open_source(small(UCF, root, lists))


def test_a_video_in_both_lists_is_held_out(own_ucf101: tuple[Path, Path]) -> None:
    root, lists = own_ucf101
    with (lists / "trainlist01.txt").open("a") as file:
        file.write("YoYo/v_YoYo_g01_c01.avi 2\n")
    source = open_source(small(UCF, root, lists))
    assert len(source.train) == 4 and len(source.heldout) == 2
    assert "listed for both sides" in source.skipped[0].reason
    assert not frames_of(source.train) & frames_of(source.heldout)


def test_names_are_any_text_but_stay_below_the_root(own_ucf101: tuple[Path, Path]) -> None:
    root, lists = own_ucf101
    odd = video(root / "YoYo" / "v_Jo jö 漢 g09.avi")
    video(root.parent / "out.avi")
    with (lists / "trainlist01.txt").open("a", encoding="utf-8", newline="") as file:
        file.write(f"YoYo/{odd.name} 2\r\n\r\nYoYo/../../out.avi 2\r\n")
    source = open_source(small(UCF, root, lists))
    assert source.train[-1].name == f"YoYo/{odd.name}" and source.train[-1].label == 1
    assert [(s.name, s.reason) for s in source.skipped] == [
        ("YoYo/../../out.avi", "absent: the name leads out of data.path")
    ]


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("trainlist01.txt", "nonsense", r"trainlist01\.txt line 1 is not of a UCF101 list"),
        ("testlist01.txt", "Knitting/v_a.avi", r"testlist01\.txt line 1 has the class 'Knitting'"),
        ("classInd.txt", "YoYo 1", r"classInd\.txt line 1 is not of a UCF101 list"),
        ("testlist01.txt", "", r"testlist01\.txt is empty"),
        ("testlist01.txt", None, r"data\.lists must be the folder .*testlist01\.txt"),
    ],
)
def test_lists_that_are_none(
    own_ucf101: tuple[Path, Path], file: str, line: str | None, said: str
) -> None:
    root, lists = own_ucf101
    if line is None:
        (lists / file).unlink()
    else:
        write_crlf(lists / file, [line])
    with pytest.raises(UserError, match=said) as caught:
        open_source(small(UCF, root, lists))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sides", [("sky_train", "sky_test"), ("train", "test")])
def test_sky_timelapse_is_folders_of_frames(sides: tuple[str, str], tmp_path: Path) -> None:
    frames = [f"x_frames_{n}.jpg" for n in range(8, 16)]  # 8, 9, 10: not in order of the alphabet
    for side, first in zip(sides, (0, 100), strict=True):
        for part in (1, 2):
            make_frames(tmp_path / side / "vid é" / f"vid_{part}", frames, first_number=first)
    make_frames(tmp_path / sides[0] / "short", frames[:2])
    (tmp_path / sides[0] / "empty").mkdir()
    config = small(SKY, tmp_path)
    source = open_source(config)
    assert names(source.train) == [f"{sides[0]}/vid é/vid_{part}" for part in (1, 2)]
    assert names(source.heldout) == [f"{sides[1]}/vid é/vid_{part}" for part in (1, 2)]
    assert [s.reason for s in source.skipped] == ["too short: 2 frames, a clip spans 5"]
    manifest = make_manifest(source, config)
    store = FrameStore(config.short_side_px)
    for clip, pixels in evaluation_clips(manifest, source, store=store):
        assert clip.file.startswith(sides[1]) and pixels.shape == (3, 5, 64, 64)


def test_sky_timelapse_needs_its_two_sides(tmp_path: Path) -> None:
    (tmp_path / "sky_train").mkdir()
    with pytest.raises(UserError, match=r"must hold the folders sky_train/ and sky_test/ or train"):
        open_source(small(SKY, tmp_path))
    (tmp_path / "sky_test").mkdir()
    with pytest.raises(UserError, match=r"holds no folder of images \(\.jpeg \.jpg \.png\)"):
        open_source(small(SKY, tmp_path))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"source": UCF, "path": "v"}, r"^data=ucf101 needs data\.lists=FOLDER$"),
        ({"source": UCF, "lists": "v"}, r"^data=ucf101 needs data\.path=FOLDER$"),
        ({"source": SKY}, r"^data=sky_timelapse needs data\.path=FOLDER$"),
        ({"source": SKY, "path": "v", "lists": "w"}, r"data\.lists=w is read with data=ucf101\|"),
        ({"source": DataSource.webvid, "path": "v"}, r"^data=webvid needs data\.lists=CSV$"),
        ({"source": UCF, "path": "v", "lists": "w", "fold": 4}, r"data\.fold must be .* got 4$"),
        ({"source": SKY, "path": "v", "fold": 2}, r"data\.fold=2 is read with data=ucf101 only"),
    ],
)
def test_fields_that_do_not_fit_the_source(fields: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        DataConfig(**fields)  # type: ignore[arg-type]
