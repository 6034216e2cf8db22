"""Speed of encoding and decoding: plain and accelerated, against quality, beside Table 3."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from analysis import page, recorded
from analysis.looks import BLUE, GREY, SKY, VERMILION, metric_label
from analysis.pareto import front
from analysis.speed_table import SIDES
from analysis.tables import Column, Table, number

_ROW_IN = 0.22
_SCATTER_IN = 2.4
_MARKERS = "osD^vP<*"
_COLOURS = {"false": BLUE, "true": VERMILION}
_FAST = {"false": "the plain model", "true": "accelerated"}
_TABLE_3 = {
    "encode_clips_per_s": "encode clips/s",
    "decode_clips_per_s": "decode clips/s",
    "encode_peak_mb": "encode peak MB",
    "decode_peak_mb": "decode peak MB",
    "encode_relative": "encode, first row = 1",
}
_ALL = {
    **_TABLE_3,
    "encode_ms_per_frame": "encode ms/frame",
    "decode_ms_per_frame": "decode ms/frame",
    "encode_peak_fraction": "encode, of best rate",
    "decode_peak_fraction": "decode, of best rate",
    "psnr_db": "PSNR (dB)",
}
_PAPERS = {
    "paper_encode_clips_per_s": Column("encode clips/s", "the paper's Table 3"),
    "paper_relative": Column("encode, first row = 1", "the paper's Table 3"),
    "paper_train_steps_per_s": Column("generator's training it/s", "the paper's Table 3"),
}
_DIGITS = {"peak_mb": 0, "ms_per_frame": 1, "clips_per_s": 3, "relative": 2}


@style.context(page.STYLE)
def draw(table: pd.DataFrame, *, name: str, folder: str | Path) -> Path:
    """Bars of each case; below them speed against quality, if any is known; all as texts.

    Args:
        table: what ``speed_table.cases`` gives.
        name: of the files.
        folder: that they go to.
    """
    bases = list(dict.fromkeys(table["base"]))
    has_quality = table["psnr_db"].notna().any()
    heights = [0.5 + _ROW_IN * (len(bases) + 1), *([_SCATTER_IN] if has_quality else [])]
    figure = Figure(figsize=(page.WIDTH_IN, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    bars = parts[0].subplots(1, 2)
    for side, axes in zip(SIDES, bars, strict=True):
        _bars(axes, table, bases, side)
    bars[1].set_yticklabels([])
    if has_quality:
        panels = parts[1].subplots(1, 2, sharey=True)
        for side, axes in zip(SIDES, panels, strict=True):
            _against_quality(axes, table, side)
        panels[0].set_ylabel(metric_label("psnr_db"))
        parts[1].legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    page.legend(figure, bars[0])
    source = recorded.source(table["recorded_in"])
    below = " ".join(_notes(table))
    page.captions(figure, "Speed", above=[_shared(table)], below=below, source=source)
    numbers = table.drop(columns="recorded_in")
    texts = as_texts(table)
    return page.save(figure, numbers, source=source, name=name, folder=folder, texts=texts)


def as_texts(table: pd.DataFrame) -> list[Table]:
    """Table 3 with the paper's beside ours, if a variant is there, and every case."""
    every = _table(table, {"case": Column("case")} | _columns(_ALL), caption=f"{_shared(table)}.")
    every = replace(every, note=" ".join(_without_quality(table)))
    variants = table[table["paper_encode_clips_per_s"].notna()]
    if variants.empty:
        return [every]
    ours, papers = variants["encode_clips_per_s"], variants["paper_encode_clips_per_s"]
    variants = variants.assign(
        encode_relative=ours / ours.iloc[0], paper_relative=papers / papers.iloc[0]
    )
    titles = {"case": Column("variant")} | _columns(_TABLE_3, group="measured") | _PAPERS
    table_3 = _table(variants, titles, caption=f"Table 3. {_shared(table)}.")
    return [replace(table_3, note=_PAPER_NOTE), every]


def _columns(titles: dict[str, str], *, group: str = "") -> dict[str, Column]:
    return {name: Column(title, group) for name, title in titles.items()}


def _table(rows: pd.DataFrame, columns: dict[str, Column], *, caption: str) -> Table:
    shown = [name for name in columns if name in rows]
    return Table(
        caption=caption,
        columns=tuple(columns[name] for name in shown),
        rows=tuple(
            tuple(_cell(name, row[name]) for name in shown) for row in rows.to_dict("records")
        ),
    )


_PAPER_NOTE = (
    "The paper's: clips of 81x256x256 on one A100, width 128. "
    "Compare orders and ratios, not speeds."
)


def _bars(axes: Axes, table: pd.DataFrame, bases: list[str], side: str) -> None:
    """A row a model, a bar for each of its speeds, and their quartiles."""
    kinds = sorted(table["accelerated"].unique())
    thick = 0.8 / len(kinds)
    for place, kind in enumerate(kinds):
        of_kind = table[table["accelerated"] == kind]
        speed = of_kind[f"{side}_clips_per_s"]
        y = of_kind["base"].map(bases.index) + (place - (len(kinds) - 1) / 2) * thick
        axes.barh(y, speed, thick, color=_COLOURS[kind], label=_FAST[kind])
        low, high = (of_kind[f"{side}_clips_per_s_{end}"] for end in ("low", "high"))
        axes.hlines(y, low, high, color="black", linewidth=0.8)
        for place_y, end, value in zip(y, high, speed, strict=True):
            axes.annotate(
                f"{value:.3g}",
                (end, place_y),
                xytext=(2, 0),
                textcoords="offset points",
                va="center",
                fontsize=6,
                color=GREY,
            )
    axes.set_yticks(range(len(bases)), bases)
    axes.set_ylim(len(bases) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0)
    axes.set_title(f"{side}, clips/s", loc="left")


def _against_quality(axes: Axes, table: pd.DataFrame, side: str) -> None:
    """A point a case, and the line of those that none is both faster and better than."""
    known = table.dropna(subset=["psnr_db"])
    x, y = known[f"{side}_clips_per_s"], known["psnr_db"]
    best = front(x, y, more_is_better=True)
    axes.step(x.loc[best], y.loc[best], where="pre", color=GREY, linewidth=0.8, zorder=1)
    for (base, same), marker in zip(known.groupby("base", sort=False), cycle(_MARKERS)):
        speeds, db = same[f"{side}_clips_per_s"], same["psnr_db"]
        # Acceleration changes nothing of the quality.
        axes.plot(speeds, db, color=SKY, linewidth=0.6, zorder=2)
        colours = [_COLOURS[kind] for kind in same["accelerated"]]
        axes.scatter(speeds, db, s=18, marker=marker, color=colours, zorder=3)
        axes.scatter([], [], s=18, marker=marker, color=GREY, label=base)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.15)
    axes.set_xlabel("clips/s →")
    axes.set_title(f"{side}: speed against quality", loc="left")


def _shared(table: pd.DataFrame) -> str:
    row = table.iloc[0]
    size_px, rate = row["data.size_px"], table["machine_conv_gflops"].median()
    count = row["benchmark.batch"]
    clips = "1 clip" if count == "1" else f"{count} clips"
    precisions = ", ".join(sorted(table["precision"].unique()))
    return (
        f"{clips} of {row['data.clip_frames']}x{size_px}x{size_px}, {row['hardware']}, "
        f"{precisions}; convolutions reach {rate:.0f} GFLOP/s there"
    )


def _notes(table: pd.DataFrame) -> list[str]:
    notes = ["Bars: medians of the timed calls; lines on them: quartiles."]
    if table["psnr_db"].notna().any():
        clips = next(text for text in table["quality"] if text)
        notes.append(f"PSNR: on {clips}, by runs of the same model; compressions differ.")
        notes.append("Grey line: none is both faster and better.")
    return [*notes, *_without_quality(table)]


def _without_quality(table: pd.DataFrame) -> list[str]:
    missing = list(dict.fromkeys(table.loc[table["psnr_db"].isna(), "base"]))
    return [f"No run here scored {'; '.join(missing)}."] if missing else []


def _cell(name: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return number(value, next((d for end, d in _DIGITS.items() if name.endswith(end)), 2))
