"""Tiny data sets, laid out as the real ones."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from odvae.data import DataConfig, DataSource, VideoRange

from .made_videos import FORMATS, make_video

AVI, MP4 = FORMATS["avi"], FORMATS["mp4, tiny groups"]
FRAMES = 6
UCF_CLASSES = ("ApplyEyeMakeup", "YoYo")


def small(
    source: DataSource,
    path: Path,
    lists: Path | None = None,
    *,
    fold: int = 1,
    manifest: Path | None = None,
) -> DataConfig:
    """A configuration whose clips fit the made videos."""
    return DataConfig(
        source=source,
        path=str(path),
        lists=str(lists) if lists else None,
        fold=fold,
        manifest=str(manifest) if manifest else None,
        clip_frames=5,
    )


def video(path: Path, *, first_number: int = 0) -> Path:
    """A made video of FRAMES frames, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_video(
        path, FRAMES, AVI if path.suffix == ".avi" else MP4, first_number=first_number
    )


def make_ucf101(root: Path) -> tuple[Path, Path]:
    """Videos and lists: of each class, group 1 is held out of fold 1, and group 2 of fold 2."""
    videos, lists = root / "UCF-101", root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    names = [
        (name, number, group)
        for number, name in enumerate(UCF_CLASSES, start=1)
        for group in (1, 2, 3)
    ]
    for place, (name, _, group) in enumerate(names):
        video(videos / _ucf_name(name, group), first_number=9 * place)
    for fold in (1, 2):
        train = [f"{_ucf_name(n, g)} {number}" for n, number, g in names if g != fold]
        test = [_ucf_name(n, g) for n, _, g in names if g == fold]
        write_crlf(lists / f"trainlist{fold:02}.txt", train)
        write_crlf(lists / f"testlist{fold:02}.txt", test)
    write_crlf(lists / "classInd.txt", [f"{n} {name}" for n, name in enumerate(UCF_CLASSES, 1)])
    return videos, lists


def _ucf_name(name: str, group: int) -> str:
    return f"{name}/v_{name}_g{group:02}_c01.avi"


def write_crlf(path: Path, lines: Sequence[str]) -> Path:
    """Lines with the line ends of the official lists."""
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A CSV with the columns of its first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def names(ranges: Sequence[VideoRange]) -> list[str]:
    return [one.name for one in ranges]


def frames_of(ranges: Sequence[VideoRange]) -> set[tuple[Path, int]]:
    return {(r.path.resolve(), n) for r in ranges for n in range(r.first_frame, r.end_frame)}
