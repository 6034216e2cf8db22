"""UCF101 by its official split files: trainlist01.txt, testlist01.txt, classInd.txt."""

import re
from collections.abc import Iterator
from pathlib import Path

from odvae.data.config import DataConfig
from odvae.data.listing import Listed, Listing, Side, Split, absent, below, collect, root_folder
from odvae.errors import UserError

_CLASSES = "classInd.txt"
_LISTS = {Side.train: "trainlist{fold:02}.txt", Side.heldout: "testlist{fold:02}.txt"}

_CLASS_LINE = re.compile(r"(?P<number>\d+)\s+(?P<name>\S.*)")
# The lists for training give the class behind the name, which its folder gives as well.
_VIDEO_LINE = re.compile(r"(?P<name>(?P<folder>[^/]+)/.+?\.avi)(\s+\d+)?", re.IGNORECASE)


def list_ucf101(config: DataConfig) -> Listing:
    """The videos of one fold, with labels; those that are listed and absent are skipped.

    Raises:
        UserError: a list is missing or is not one, or no listed video is there.
    """
    root = root_folder(config.path)
    lists = Path(config.lists or "").expanduser()
    labels = _labels(lists / _CLASSES)
    found = (
        Listed(root / name, name, side, label) if _is_there(root, name) else absent(root, name)
        for side, pattern in _LISTS.items()
        for name, label in _listed(lists / pattern.format(fold=config.fold), labels)
    )
    return collect(found, config, Split.as_listed)


def _is_there(root: Path, name: str) -> bool:
    path = below(root, name)
    return path is not None and path.is_file()


def _labels(file: Path) -> dict[str, int]:
    """Class name -> number, from 0; the file counts from 1."""
    lines = (_parsed(_CLASS_LINE, line, file, number) for number, line in _lines(file))
    return {line["name"]: int(line["number"]) - 1 for line in lines}


def _listed(file: Path, labels: dict[str, int]) -> Iterator[tuple[str, int]]:
    """(name, label) of each line."""
    for number, line in _lines(file):
        video = _parsed(_VIDEO_LINE, line, file, number)
        if video["folder"] not in labels:
            raise UserError(
                f"data.lists: {file} line {number} has the class {video['folder']!r}, "
                f"which {_CLASSES} does not name"
            )
        yield video["name"], labels[video["folder"]]


def _lines(file: Path) -> list[tuple[int, str]]:
    """(number, text) of the lines that hold something; CRLF or LF."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"data.lists must be the folder of UCF101's split files; {file} cannot be read: {error}"
        ) from error
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    kept = [(number, line) for number, line in lines if line]
    if not kept:
        raise UserError(f"data.lists: {file} is empty")
    return kept


def _parsed(pattern: re.Pattern[str], line: str, file: Path, number: int) -> re.Match[str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise UserError(f"data.lists: {file} line {number} is not of a UCF101 list: {line!r}")
    return match
