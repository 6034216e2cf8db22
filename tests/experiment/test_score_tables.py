"""Scores by clip and by frame: what is written is what is read, with what it was computed by."""

import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from odvae.errors import UserError
from odvae.experiment.score_tables import ScoreOrigin, read_clips, read_frames, write_scores
from odvae.metrics import ClipScores, EvaluationResult

ORIGIN = ScoreOrigin("odvae", "0123abcd")


def clip(name: str, start: float, *, finite: bool = True) -> ClipScores:
    """Three frames; where they are not finite, the middle one is not."""
    broken = 0.0 if finite else math.nan
    frames = {"psnr_db": [start, start + 1 + broken, start + 5], "flicker": [0.25, start + broken]}
    return ClipScores(clip_id=name, frames=frames, crosschecks={"niqe": start / 3}, finite=finite)


RESULT = EvaluationResult(
    clip_shape=(3, 3, 64, 64),
    per_clip=[
        clip("b.mp4@3+0,0", 30.1),
        clip("ä, 2.mkv@0+1,2", 20.7),
        clip("a", 1.3, finite=False),
    ],
    feature_sets={},
    missing=[],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the result was written; a folder that looks like part of a data set on purpose."""
    folder = tmp_path / "seed=1" / "scores"
    written = write_scores(RESULT, folder, protocol="odvae", fingerprint="0123abcd")
    assert written == [folder / "clips.parquet", folder / "frames.parquet"]
    return folder


def test_a_row_a_clip(folder: Path) -> None:
    table, origin = read_clips(folder / "clips.parquet")
    assert origin == ORIGIN
    rows = [{"clip": row.clip_id, "finite": row.finite, **row.values()} for row in RESULT.per_clip]
    pd.testing.assert_frame_equal(table, pd.DataFrame(rows), check_exact=True)
    assert list(table) == ["clip", "finite", "psnr_db", "flicker", "niqe"]
    assert math.isnan(table["psnr_db"][2]) and not table["finite"][2]


def test_a_row_a_frame(folder: Path) -> None:
    table, origin = read_frames(folder / "frames.parquet")
    assert origin == ORIGIN
    assert list(table) == ["clip", "frame", "psnr_db", "flicker"]
    assert list(table["frame"]) == [0, 1, 2] * 3
    assert list(table["clip"]) == [row.clip_id for row in RESULT.per_clip for _ in range(3)]
    of_clip = table[table["clip"] == "ä, 2.mkv@0+1,2"]
    assert list(of_clip["psnr_db"]) == [20.7, 21.7, 25.7]
    assert list(of_clip["flicker"])[1:] == [0.25, 20.7]
    by_clip = table.groupby("clip", sort=False)[["psnr_db", "flicker"]].mean()
    of_finite = [row.values() for row in RESULT.per_clip if row.finite]
    assert list(by_clip["psnr_db"])[:2] == pytest.approx([row["psnr_db"] for row in of_finite])
    assert list(by_clip["flicker"])[:2] == pytest.approx([row["flicker"] for row in of_finite])


def test_types_and_gaps_are_those_of_the_format(folder: Path) -> None:
    clips = parquet.ParquetFile(folder / "clips.parquet").schema_arrow
    frames = parquet.ParquetFile(folder / "frames.parquet").schema_arrow
    assert clips.types == [pa.string(), pa.bool_()] + [pa.float64()] * 3
    assert frames.types == [pa.string(), pa.int32()] + [pa.float64()] * 2
    expected = b'{"protocol": "odvae", "fingerprint": "0123abcd"}'
    assert clips.metadata[b"odvae"] == frames.metadata[b"odvae"] == expected
    values = parquet.ParquetFile(folder / "frames.parquet").read()["flicker"].to_pylist()
    assert values[:4] == [None, 0.25, 30.1, None]  # no frame before the first
    assert math.isnan(values[8])  # broken is not absent


def test_other_files_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be scores that a run wrote, by clip and frame"):
        read_frames(folder / "clips.parquet")
    pd.DataFrame({"clip": ["a"], "finite": [True]}).to_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match="must be scores that a run wrote, by clip and finite"):
        read_clips(tmp_path / "foreign.parquet")
    (tmp_path / "text.parquet").write_text("clip,psnr_db\n")
    with pytest.raises(UserError, match="is not a Parquet file"):
        read_clips(tmp_path / "text.parquet")
