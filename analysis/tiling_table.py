"""What each tiling costs and saves, in numbers, and the paper's Table 4."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from analysis.run_table import TILING
from analysis.selection import Selection
from analysis.tables import MISSING, PAPER_NOTE, Column, Table
from odvae.inference import TilingMode
from odvae.paper import paper_rows

PSNR, LOSS, SSIM = "psnr_db", "psnr_loss_db", "ssim"
AGAINST_WHOLE, MAX_DIFF = "psnr_against_whole_db", "max_abs_diff"
SPEED, MEMORY = "clips_per_s", "peak_memory_mb"
IN_FRAMES = "seam_error"
PROFILES = {IN_FRAMES: "frames", "seam_error_px": "pixels"}
"""Errors by distance from the nearest seam, and the unit of the distance."""

_LOGGED = {
    PSNR: "eval/psnr_db",
    SSIM: "eval/ssim",
    AGAINST_WHOLE: "tiling/psnr_db",
    MAX_DIFF: "tiling/max_abs_diff",
    MEMORY: "cost/peak_memory_mb",
}
_MODES = [mode.value for mode in TilingMode]
_ABOUT = ("source", "operators", "tiling", "part_frames", *TILING[1:3], "dataset")
_COLUMNS = (*_ABOUT, "metric", "distance", "value")
_HEADS = {
    PSNR: "PSNR dB",
    LOSS: "loss dB",
    SSIM: "SSIM",
    AGAINST_WHOLE: "PSNR against whole dB",
    MAX_DIFF: "max difference",
    SPEED: "clips/s",
    MEMORY: "peak MB",
}
_DIGITS = {PSNR: ".2f", LOSS: ".3f", AGAINST_WHOLE: ".1f", MAX_DIFF: ".1e", SPEED: ".3f"}
_DIGITS |= {SSIM: ".4f", MEMORY: ".0f"}
_PAPER_HEADS = {"psnr": "PSNR dB", "lpips": "LPIPS", "fvd": "FVD", "is": "IS"}

_CAPTION = "Tiling against the whole clip, measured."

NOTES = (
    "Loss: PSNR of the whole clip less that of the tiled one. Clips/s: encoded and decoded. "
    "Differences: tiled from whole, pixels in [-1, 1]. Peak memory: of the process on a CPU, all "
    "that it loads included."
)


def numbers(selection: Selection) -> pd.DataFrame:
    """Every number, a row each: those measured, then the paper's Table 4.

    Returns:
        Columns source (measured or paper), operators, tiling, part_frames (frames of a group or
        chunk, empty without), tiling.tile_px, tiling.overlap, dataset, metric, distance (from the
        nearest seam; NaN for all but the profiles) and value.
    """
    table = selection.runs.table
    clips = f"{selection.setting['data']} {selection.setting['protocol']}"
    rows = [
        {**_about(run), "source": "measured", "dataset": clips, **number}
        for run in table.to_dict("records")
        for number in _of_run(selection, run)
    ]
    measured = pd.DataFrame(rows, columns=[*_COLUMNS])
    order = [
        measured["operators"],
        measured["tiling"].map(_MODES.index),
        pd.to_numeric(measured["part_frames"]),
    ]
    keys = pd.concat(order, axis="columns").sort_values([*_ABOUT[1:4]], kind="stable")
    return pd.concat([_with_loss(measured.loc[keys.index]), published()], ignore_index=True)


def published() -> pd.DataFrame:
    """The paper's Table 4, in the columns of ``numbers``; it tiles along time."""
    rows = [
        {
            "source": "paper",
            "operators": "paper",
            "tiling": "off" if "without" in row.method else "temporal",
            "dataset": row.dataset,
            "metric": row.metric,
            "value": row.value,
        }
        for row in paper_rows(table=4)
    ]
    return pd.DataFrame(rows, columns=[*_COLUMNS])


def as_texts(table: pd.DataFrame) -> list[Table]:
    """The rows of ``numbers``, less the profiles, as tables of texts: ours, then the paper's."""
    measured, paper = table[table["source"] == "measured"], table[table["source"] == "paper"]
    return [_ours(measured[measured["distance"].isna()]), _papers(paper)]


def _about(run: Mapping[Hashable, Any]) -> dict[str, Any]:
    """What is told of a run beside each of its numbers."""
    about = {name: run[name] for name in ("operators", "tiling", *TILING[1:3])}
    return {**about, "part_frames": run["tiling.group_frames"] or run["tiling.chunk_frames"]}


def _of_run(selection: Selection, run: Mapping[Hashable, Any]) -> Iterator[dict[str, Any]]:
    for metric, name in _LOGGED.items():
        if pd.notna(value := run.get(name)):
            yield {"metric": metric, "value": value}
    per_s = [run[f"cost/{what}_clips_per_s"] for what in ("encode", "decode")]
    yield {"metric": SPEED, "value": 1 / sum(1 / value for value in per_s)}
    for metric in PROFILES:
        for distance, value in selection.runs.store.history(run["run_id"], f"tiling/{metric}"):
            yield {"metric": metric, "distance": distance, "value": value}


def _with_loss(measured: pd.DataFrame) -> pd.DataFrame:
    """The rows, and for each PSNR its loss against the whole clip by the same operators."""
    psnr = measured[measured["metric"] == PSNR]
    whole = psnr[psnr["tiling"] == "off"].set_index("operators")["value"]
    loss = psnr.assign(metric=LOSS, value=psnr["operators"].map(whole) - psnr["value"])
    return pd.concat([measured, loss])


def _ours(rows: pd.DataFrame) -> Table:
    lines = []
    for about, numbers_of_it in rows.groupby([*_ABOUT[1:6]], sort=False):
        operators, mode, frames, tile_px, _ = map(str, about)
        values = numbers_of_it.set_index("metric")["value"]
        parts = f"{frames} frames" if frames else MISSING
        parts += f", {tile_px} px" if tile_px else ""
        lines.append((operators, mode, parts, *(_cell(name, values.get(name)) for name in _HEADS)))
    titles = ["operators", "tiling", "parts", *_HEADS.values()]
    return Table(_CAPTION, tuple(map(Column, titles)), tuple(lines), NOTES)


def _papers(paper: pd.DataFrame) -> Table:
    keys = list(dict.fromkeys(zip(paper["dataset"], paper["metric"], strict=True)))
    lines = []
    for mode, rows in paper.groupby("tiling", sort=False):
        values = rows.set_index(["dataset", "metric"])["value"]
        lines.append((str(mode), *(f"{values[key]:g}" for key in keys)))
    return Table(
        caption="The paper's Table 4 (arXiv 2409.01199v2), on its own data and protocol.",
        columns=(Column("tiling"), *(Column(_PAPER_HEADS[metric], data) for data, metric in keys)),
        rows=tuple(lines),
        note=f"UCF101: videos generated after it. {PAPER_NOTE}",
    )


def _cell(metric: str, value: float | None) -> str:
    if value is None or pd.isna(value):
        return MISSING
    return f"{value:z{_DIGITS[metric]}}"
