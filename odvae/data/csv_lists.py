"""WebVid, Panda-70M, Kinetics: local files by the data set's own CSV; see csv_layouts."""

import ast
import csv
from collections.abc import Iterator
from pathlib import Path

from odvae.data.config import DataConfig
from odvae.data.csv_layouts import LAYOUTS, CsvLayout, pattern_fields
from odvae.data.listing import Listed, Listing, Side, Split, absent, below, collect, root_folder
from odvae.data.ranges import Skipped
from odvae.errors import UserError

_LONGEST_FIELD = 2**26  # characters; hundreds of captions are one field of Panda-70M
_ROWS_PER_SHARD = 100
_CSV_WORDS = {Side.train: "train", Side.heldout: "val"}  # in file names, and the {side} of patterns

_Fields = dict[str, str | int]


def list_csv(config: DataConfig) -> Listing:
    """The videos that the CSVs name; those that are not there are skipped.

    Raises:
        UserError: a CSV is missing or is not one of this data set, or no listed video is there.
    """
    layout = LAYOUTS[config.source]
    root = root_folder(config.path)
    files = _csv_files(config)
    labels = _labels([file for file, _ in files], layout, config)
    found = (
        video
        for file, side in files
        for row in _rows(file, layout, config)
        for video in _look_up(row, root, layout, side=side, labels=labels, file=file)
    )
    return collect(found, config, Split.by_name if files[0][1] is None else Split.as_listed)


def _csv_files(config: DataConfig) -> list[tuple[Path, Side | None]]:
    """One CSV for everything, or one for each side."""
    lists = Path(config.lists or "").expanduser()
    if lists.is_file():
        return [(lists, None)]
    if not lists.is_dir():
        raise UserError(f"data.lists must be a CSV, or a folder with two, got {config.lists}")
    there = sorted(file for file in lists.iterdir() if file.suffix.lower() == ".csv")
    files: list[tuple[Path, Side | None]] = []
    for side, word in _CSV_WORDS.items():
        named = [file for file in there if word in file.stem.lower()]
        if len(named) != 1:
            got = ", ".join(file.name for file in there) or "none"
            raise UserError(
                f"data.lists={config.lists} must hold one CSV with train and one with val in its "
                f"name, got {got}; or name one CSV"
            )
        files.append((named[0], side))
    return files


def _labels(files: list[Path], layout: CsvLayout, config: DataConfig) -> dict[str, int]:
    """Classes in alphabetical order, over all CSVs -> number, from 0."""
    if layout.label is None:
        return {}
    classes = {
        str(row.get(layout.label, "")) for file in files for row in _rows(file, layout, config)
    }
    return {name: number for number, name in enumerate(sorted(classes - {""}))}


def _rows(file: Path, layout: CsvLayout, config: DataConfig) -> Iterator[_Fields]:
    """The columns that matter, of each row, and its number."""
    columns = layout.columns()
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            header = reader.fieldnames or []
            if not set(layout.needed) <= set(header):
                raise UserError(
                    f"data.lists: {file} must have the columns {', '.join(layout.needed)} for "
                    f"data={config.source.name}, got {', '.join(header) or 'none'}"
                )
            for number, row in enumerate(reader):
                fields: _Fields = {"row": number, "shard": number // _ROWS_PER_SHARD}
                fields |= {name: row[name] for name in columns & row.keys() if row[name]}
                yield fields
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"data.lists: {file} cannot be read as CSV: {error}") from error


def _look_up(
    row: _Fields,
    root: Path,
    layout: CsvLayout,
    *,
    side: Side | None,
    labels: dict[str, int],
    file: Path,
) -> Iterator[Listed | Skipped]:
    """What is there of one row of a CSV."""
    fields = row | ({"side": _CSV_WORDS[side]} if side else {})
    try:
        fields |= {name: int(float(row[name])) for name in layout.seconds}
        clips = _count(row[layout.clips]) if layout.clips else 1
        group = str(row[layout.group])
    except (KeyError, ValueError, SyntaxError) as error:
        line = int(row["row"]) + 2  # of a CSV whose fields have no line ends
        raise UserError(f"data.lists: {file} row {line} is not sound: {error}") from error
    label = labels.get(str(row.get(layout.label or "", "")))
    names = [_names(layout.places, fields | {"clip": clip}) for clip in range(clips)]
    places = [_first_there(root, candidates) for candidates in names]
    if layout.whole and not any(places):
        whole = _first_there(root, _names((layout.whole,), fields))
        if whole:
            names, places = [[whole]], [whole]
    for candidates, name in zip(names, places, strict=True):
        if name:
            yield Listed(root / name, name, side, label, group)
        else:
            yield absent(root, candidates[0])


def _count(entries: str | int) -> int:
    """Number of entries of a list, written as Python writes it."""
    parsed = ast.literal_eval(str(entries))
    if not isinstance(parsed, list):
        raise ValueError(f"not a list: {entries!r}")
    return len(parsed)


def _names(patterns: tuple[str, ...], fields: _Fields) -> list[str]:
    """The patterns that these fields can fill, filled."""
    return [one.format_map(fields) for one in patterns if pattern_fields(one) <= fields.keys()]


def _first_there(root: Path, names: list[str]) -> str | None:
    places = ((name, below(root, name)) for name in names)
    return next((name for name, place in places if place and place.is_file()), None)
