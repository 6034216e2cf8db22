"""What each tiling loses against the whole clip, where, and what it saves (the paper's Table 4)."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import page, tiling_table
from analysis.looks import BLACK, BLUE, GREEN, GREY, ORANGE, Look
from analysis.selection import Selection

_LOOKS = {
    "off": Look(BLACK, "x"),
    "temporal": Look(BLUE, "o"),
    "spatiotemporal": Look(ORANGE, "s"),
    "stream": Look(GREEN, "^"),
}
_LINES = ("-", "--", ":")  # of operators
_PARTS = "frames of a group or chunk"
_ERROR = "mean |whole - tiled|"
_NOTES = (
    "Levels: whole clips. Dotted: the paper's Table 4, other data, 97 frames. Distance 0 is next "
    "to a seam; numbers at lines are frames of a group or chunk; what is exact has no line."
)


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """Loss, speed and memory by size of parts, and the profiles of seams; all as texts."""
    table = tiling_table.numbers(selection)
    measured = table[table["source"] == "measured"]
    figure = Figure(figsize=(page.WIDTH_IN, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 3)
    panels = {
        tiling_table.LOSS: "loss against whole (dB) ↓",
        tiling_table.SPEED: "clips/s, encode and decode ↑",
        tiling_table.MEMORY: "peak memory (MB) ↓",
    }
    for axes, (metric, title) in zip(upper, panels.items(), strict=True):
        _by_parts(axes, measured[measured["metric"] == metric])
        axes.set_title(title, loc="left")
    _papers_loss(upper[0], table)
    _by_parts(lower[0], measured[measured["metric"] == tiling_table.AGAINST_WHOLE])
    lower[0].set_title("PSNR against whole (dB) ↑", loc="left")
    for axes, metric in zip(lower[1:], tiling_table.PROFILES, strict=True):
        _profile(axes, measured[measured["metric"] == metric], metric=metric)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 0.94))
    figure.legend(handles=_legend(measured), loc="upper left", ncols=7, bbox_to_anchor=(0, 0, 1, 1))
    note = f"{tiling_table.NOTES} {_NOTES}"
    page.heading(figure, "Tiling against the whole clip (Table 4)", selection, note=note)
    texts, source = tiling_table.as_texts(table), selection.source
    return page.save(figure, table, source=source, name=name, folder=folder, texts=texts)


def _by_parts(axes: Axes, rows: pd.DataFrame) -> None:
    """A line for each tiling and operators over the size of its parts; a level for whole clips."""
    for operators, line in _operators(rows).items():
        own = rows[rows["operators"] == operators]
        fill = "full" if line == "-" else "none"
        for mode, points in own.groupby("tiling", sort=False):
            look = _LOOKS[str(mode)]
            if mode == "off":
                axes.axhline(points["value"].iloc[0], color=look.colour, linewidth=0.8, ls=line)
                continue
            frames = pd.to_numeric(points["part_frames"])
            axes.plot(
                frames, points["value"], look.marker, color=look.colour, ls=line, fillstyle=fill
            )
    axes.set_xlabel(_PARTS)


def _profile(axes: Axes, rows: pd.DataFrame, *, metric: str) -> None:
    """Error over the distance from the nearest seam; in frames, with the size of the parts."""
    if rows.empty:
        page.say(axes, _ERROR, "no profile of seams along this axis was logged")
        return
    for operators, line in _operators(rows).items():
        own = rows[(rows["operators"] == operators) & (rows["value"] > 0)]  # 0 has no logarithm
        for (mode, frames), points in own.groupby(["tiling", "part_frames"], sort=False):
            colour = _LOOKS[str(mode)].colour
            axes.plot(points["distance"], points["value"], color=colour, ls=line)
            if metric == tiling_table.IN_FRAMES:  # in pixels, groups of any size look alike
                _name_end(axes, points, str(frames), colour=colour)
    axes.set_yscale("log")
    axes.set_xlabel(f"{tiling_table.PROFILES[metric]} from the nearest seam")
    axes.set_title(_ERROR, loc="left")


def _name_end(axes: Axes, points: pd.DataFrame, name: str, *, colour: str) -> None:
    end = points.iloc[-1]
    axes.annotate(
        name,
        (end["distance"], end["value"]),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.5,
        color=colour,
    )


def _papers_loss(axes: Axes, table: pd.DataFrame) -> None:
    """A level for what the paper's tiling loses on its own data."""
    paper = table[(table["source"] == "paper") & (table["metric"] == "psnr")]
    psnr_db = paper.set_index("tiling")["value"]
    loss_db = psnr_db["off"] - psnr_db["temporal"]
    axes.axhline(loss_db, color=GREY, linewidth=0.7, linestyle=":")
    axes.annotate(
        f"paper {loss_db:.2f}",
        (1, loss_db),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=6.5,
        color=GREY,
    )


def _operators(rows: pd.DataFrame) -> dict[str, str]:
    """Kinds of operators among the rows, each with its style of line."""
    return dict(zip(sorted(rows["operators"].unique()), _LINES, strict=False))


def _legend(rows: pd.DataFrame) -> list[Line2D]:
    """Colours of tilings, then line styles of operators."""
    modes = [mode for mode in _LOOKS if mode in set(rows["tiling"])]
    entries = [
        Line2D([], [], color=_LOOKS[m].colour, marker=_LOOKS[m].marker, ls="", label=m)
        for m in modes
        if m != "off"
    ]
    entries += [
        Line2D([], [], color=BLACK, ls=line, lw=0.9, label=f"{name} operators")
        for name, line in _operators(rows).items()
    ]
    return entries
