"""What all figures share: size, type, heading, level lines, and how they are saved."""

import textwrap
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.looks import FACTORS, GREY, REFERENCES
from analysis.selection import Selection

STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # text stays text
    "savefig.dpi": 200,
}
WIDTH_IN = 7.0  # a page's text

_SMALL_PT = 7
_LINE_IN = 0.135  # of that size
_CHARS_PER_IN = 20  # of that size


def heading(figure: Figure, title: str, selection: Selection, *, note: str) -> None:
    """Write the title and what the runs share above the panels, how to read them below."""
    width, height = figure.get_size_inches()
    shared = textwrap.wrap(describe(selection), int(width * _CHARS_PER_IN))
    below = textwrap.wrap(note, int(width * _CHARS_PER_IN))
    small = {"fontsize": _SMALL_PT, "color": GREY, "linespacing": 1.25}
    figure.text(0.005, 1 + 0.06 / height, "\n".join(shared), va="bottom", **small)
    above = 1 + (0.12 + _LINE_IN * len(shared)) / height
    figure.text(0.005, above, title, va="bottom", fontsize=10, fontweight="bold")
    figure.text(0.005, -0.06 / height, "\n".join(below), va="top", **small)


def legend(figure: Figure, axes: Axes, *, title: str) -> None:
    """Name the lines of a panel once for all panels, on their right."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, title=title, loc="outside right upper")


def describe(selection: Selection) -> str:
    """What the runs of a figure share, in words."""
    shared = selection.setting
    held = "init" if selection.by == "variant" else "variant"
    parts = [
        f"preset {shared['preset']}",
        f"data {shared['data']}",
        f"{shared['operators']} operators",
        f"{FACTORS[held]} {shared[held]}",
        f"image VAE {shared['image_vae']}",
        f"tiling {shared['tiling']}",
        f"width {shared['model.width']}",
        f"{shared['train.steps']} steps",
        f"clips {shared['data.clip_frames']}x{shared['data.size_px']}x{shared['data.size_px']}",
        f"protocol {shared['protocol']}",
    ]
    return ", ".join(parts)


def reference_lines(axes: Axes, selection: Selection, metric: str) -> None:
    """Draw the levels to beat that lie within reach of the data, named at the right edge."""
    low, high = axes.get_ylim()
    reach = 0.5 * (high - low)
    levels = {name: selection.level_of(f"{prefix}/{metric}") for prefix, name in REFERENCES.items()}
    near = {name: y for name, y in levels.items() if low - reach <= y <= high + reach}
    for name, y in near.items():
        axes.axhline(y, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        axes.annotate(
            name,
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=GREY,
        )


def save(figure: Figure, table: pd.DataFrame, *, name: str, folder: str | Path) -> Path:
    """Write the figure as PNG and PDF and its numbers as CSV; returns the PNG's path."""
    stem = Path(folder) / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(f"{stem}.png", bbox_inches="tight")
    # No date, so that the same numbers give the same file.
    figure.savefig(f"{stem}.pdf", bbox_inches="tight", metadata={"CreationDate": None})
    table.to_csv(f"{stem}.csv", index=False, float_format="%.6g")
    return Path(f"{stem}.png")
