"""Scores of a run by clip and by frame, as two Parquet files that say what they were computed by.

``clips.parquet`` has a row a clip: ``clip``, ``finite``, and a column a metric. ``frames.parquet``
has a row a frame: ``clip``, ``frame`` (its position in the clip), and a column a metric of frames;
what takes two frames stands at the later one, and at frame 0 is null. Broken is NaN.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odvae.errors import UserError
from odvae.metrics import EvaluationResult, by_position

if TYPE_CHECKING:
    import pandas as pd

CLIPS = "clips.parquet"
FRAMES = "frames.parquet"
_CLIP_COLUMNS = ("clip", "finite")
_FRAME_COLUMNS = ("clip", "frame")
_METADATA_KEY = b"odvae"


@dataclass(frozen=True)
class ScoreOrigin:
    """What scores were computed by."""

    protocol: str  # its name
    fingerprint: str  # of the protocol and the clips; only scores of one compare


def write_scores(
    result: EvaluationResult, folder: Path, *, protocol: str, fingerprint: str
) -> list[Path]:
    """Write both files into a folder, clips in the order in which they were scored."""
    origin = ScoreOrigin(protocol, fingerprint)
    clips: list[dict[str, Any]] = [
        {"clip": row.clip_id, "finite": row.finite, **row.values()} for row in result.per_clip
    ]
    frames: list[dict[str, Any]] = [
        {"clip": row.clip_id, "frame": position, **values}
        for row in result.per_clip
        for position, values in enumerate(by_position(row.frames))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / CLIPS, clips, [*clips[0]], origin)
    _write(folder / FRAMES, frames, [*_FRAME_COLUMNS, *result.per_clip[0].frames], origin)
    return [folder / CLIPS, folder / FRAMES]


def read_clips(path: Path) -> "tuple[pd.DataFrame, ScoreOrigin]":
    """Read a ``clips.parquet``.

    Raises:
        UserError: the file is not one.
    """
    return _read(path, _CLIP_COLUMNS)


def read_frames(path: Path) -> "tuple[pd.DataFrame, ScoreOrigin]":
    """Read a ``frames.parquet``; null is NaN.

    Raises:
        UserError: the file is not one.
    """
    return _read(path, _FRAME_COLUMNS)


def _write(path: Path, rows: list[dict[str, Any]], names: list[str], origin: ScoreOrigin) -> None:
    # Imported where it is used, with pandas, because together they take a second.
    import pyarrow as pa
    from pyarrow import parquet

    types = {"clip": pa.string(), "finite": pa.bool_(), "frame": pa.int32()}
    schema = pa.schema(
        [(name, types.get(name, pa.float64())) for name in names],
        metadata={_METADATA_KEY: json.dumps(asdict(origin))},
    )
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def _read(path: Path, first_columns: tuple[str, ...]) -> "tuple[pd.DataFrame, ScoreOrigin]":
    import pyarrow as pa
    from pyarrow import parquet

    try:  # not read_table, which takes a folder named "seed=1" for a column
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: is not a Parquet file: {error}") from error
    origin = (table.schema.metadata or {}).get(_METADATA_KEY)
    if origin is None or tuple(table.column_names[: len(first_columns)]) != first_columns:
        columns = " and ".join(first_columns)
        raise UserError(f"{path}: must be scores that a run wrote, by {columns}")
    return table.to_pandas(), ScoreOrigin(**json.loads(origin))
