"""What all figures share: size, type, heading, level lines, and how they are saved."""

import textwrap
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.looks import FACTORS, GREY, REFERENCES
from analysis.selection import Selection

STYLE = Path(__file__).with_name("paper.mplstyle")
WIDTH_IN = 7.0  # a page's text

_NO_BREAK = "\N{NO-BREAK SPACE}"
_SMALL_PT = 7
_LINE_IN = 0.135  # of that size
_CHARS_PER_IN = 20  # of that size

_SHARED = {
    "preset": "preset {}",
    "data": "data {}",
    "operators": "{} operators",
    "variant": "variant {}",
    "init": f"{FACTORS['init']} {{}}",
    "image_vae": "image VAE {}",
    "tiling": "tiling {}",
    "model.width": "width {}",
    "train.steps": "{} steps",
}

_LEGEND_IN = 0.24
_REACH = 0.3  # how far beyond the data a reference may lie, of their range
_LABEL_HEIGHT = 0.07  # of a panel


def heading(figure: Figure, title: str, selection: Selection, *, note: str) -> None:
    """Write the title and what the runs share above the panels, how to read them below."""
    broken = len(selection.runs.table) - len(selection.last("eval/psnr_db"))
    if broken:
        note += f" Left out for lack of a finite result: {broken} of {len(selection.runs.table)}."
    captions(figure, title, above=describe(selection), below=note)


def captions(figure: Figure, title: str, *, above: str, below: str) -> None:
    """Write a title and a line or more above the panels, and some below."""
    width, height = figure.get_size_inches()
    shared = textwrap.wrap(above, int(width * _CHARS_PER_IN))
    note = textwrap.wrap(below, int(width * _CHARS_PER_IN))
    top = 1 + (0.12 + _LINE_IN * len(shared)) / height
    figure.text(0.005, top, title, va="bottom", fontsize=10, fontweight="bold")
    for text, y, va in ((shared, 1 + 0.06 / height, "bottom"), (note, -0.06 / height, "top")):
        figure.text(0.005, y, "\n".join(text), va=va, fontsize=_SMALL_PT, color=GREY)


def legend(figure: Figure, axes: Axes) -> None:
    """Name the lines of a panel once for all panels, above them."""
    handles, labels = axes.get_legend_handles_labels()
    room = _LEGEND_IN / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - room))
    # Without an anchor it would move up once the heading enlarges the picture that is saved.
    figure.legend(handles, labels, loc="upper left", ncols=len(labels), bbox_to_anchor=(0, 0, 1, 1))


def describe(selection: Selection) -> str:
    """What the runs of a figure share, in words."""
    shared = selection.setting
    size_px = shared["data.size_px"]
    parts = [
        *(words.format(shared[name]) for name, words in _SHARED.items() if name in shared),
        f"clips {shared['data.clip_frames']}x{size_px}x{size_px}",
        f"protocol {shared['protocol']}",
        _seeds(selection),
    ]
    return ", ".join(part.replace(" ", _NO_BREAK) for part in parts)


def _seeds(selection: Selection) -> str:
    counts = selection.runs.table.groupby(selection.column).size()
    few, many = counts.min(), counts.max()
    count = f"{few}" if few == many else f"{few} to {many}"
    return f"{count} seed{'s' if many > 1 else ''}"


def reference_lines(axes: Axes, selection: Selection, metric: str) -> None:
    """Draw the levels to beat that lie near the data, named on the right of the panel."""
    low, high = axes.get_ylim()
    reach = _REACH * (high - low)
    levels = {name: selection.level_of(f"{prefix}/{metric}") for prefix, name in REFERENCES.items()}
    near = {name: y for name, y in levels.items() if low - reach <= y <= high + reach}
    for y in near.values():
        axes.axhline(y, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    low, high = axes.get_ylim()
    place = -1.0
    for name, y in sorted(near.items(), key=lambda item: item[1]):
        place = max(place + _LABEL_HEIGHT, (y - low) / (high - low))  # names never overlap
        axes.annotate(
            name,
            (1, place),
            xycoords="axes fraction",
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
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
