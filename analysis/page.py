"""What all figures share: size, type, heading, level lines, and how they are saved."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import tables
from analysis.looks import FACTORS, GREY, REFERENCES, VERMILION
from analysis.selection import Selection
from analysis.tables import Table

STYLE = Path(__file__).with_name("paper.mplstyle")
WIDTH_IN = 7.0  # a page's text

_CHARS_OF_A_PANEL = 25  # a quarter of the width
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

_SHARED_GENERATOR = {  # read differently where a generator was trained
    "train.steps": "VAE's training {} steps",
    "denoiser.size": "denoiser {}",
    "generation.steps": "its training {} steps",
}

_PAD_IN = 0.1  # around the whole
_LEGEND_IN = 0.24  # a row of it
_KEY_CHARS = 7  # the width of a line and a marker beside a name
_REACH = 0.3  # how far beyond the data a reference may lie, of their range
_LABEL_HEIGHT = 0.07  # of a panel


def heading(figure: Figure, title: str, selection: Selection, *, note: str) -> None:
    """Write the title and what the runs share above the panels, how to read them below."""
    broken = len(selection.runs.table) - len(selection.last("eval/psnr_db"))
    if broken:
        note += f" Left out for lack of a finite result: {broken} of {len(selection.runs.table)}."
    captions(figure, title, above=[describe(selection)], below=note, source=selection.source)


def captions(
    figure: Figure, title: str, *, above: Sequence[str], below: str, source: str = ""
) -> None:
    """Write a title and paragraphs above the panels, and one below.

    Where the runs are recorded ones, ``source`` says so first.
    """
    width, height = figure.get_size_inches()
    chars = int(width * _CHARS_PER_IN)
    recorded = textwrap.wrap(source[:1].upper() + source[1:], chars)
    shared = [line for paragraph in above for line in textwrap.wrap(paragraph, chars)]
    note = textwrap.wrap(below, chars)
    y = 1 + 0.06 / height
    for lines, colour in ((shared, GREY), (recorded, VERMILION)):
        figure.text(0.005, y, "\n".join(lines), va="bottom", fontsize=_SMALL_PT, color=colour)
        y += _LINE_IN * len(lines) / height
    figure.text(0.005, y + 0.06 / height, title, va="bottom", fontsize=10, fontweight="bold")
    below_y = -0.06 / height
    figure.text(0.005, below_y, "\n".join(note), va="top", fontsize=_SMALL_PT, color=GREY)


def legend(figure: Figure, axes: Axes) -> None:
    """Name the lines of a panel once for all panels, above them."""
    handles, labels = axes.get_legend_handles_labels()
    columns = _legend_columns(labels, figure.get_figwidth())
    room = _LEGEND_IN * -(-len(labels) // columns) / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - room))
    # Without an anchor it would move up once the heading enlarges the picture that is saved.
    figure.legend(handles, labels, loc="upper left", ncols=columns, bbox_to_anchor=(0, 0, 1, 1))


def _legend_columns(labels: Sequence[str], width_in: float) -> int:
    """How many names stand side by side: all, or as many of the longest as fit."""
    chars = [len(label) + _KEY_CHARS for label in labels]
    room = width_in * _CHARS_PER_IN
    return len(labels) if sum(chars) <= room else max(1, int(room / max(chars)))


def say(axes: Axes, title: str, text: str) -> None:
    """Make an empty panel that says why it is empty."""
    axes.set_title(title, loc="left")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    words = textwrap.fill(text, _CHARS_OF_A_PANEL)
    axes.text(
        *(0.5, 0.5),
        words,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=_SMALL_PT,
        color=GREY,
    )


def describe(selection: Selection) -> str:
    """What the runs of a figure share, in words."""
    shared = selection.setting
    size_px = shared["data.size_px"]
    clips = f"clips {shared['data.clip_frames']}x{size_px}x{size_px}"
    protocol = " ".join(filter(None, [shared.get("protocol.name"), shared["protocol"]]))
    named, evaluated = _SHARED, [clips, *([f"protocol {protocol}"] if protocol else [])]
    if shared.get("generator"):  # reconstructions are beside the point
        named, evaluated = _SHARED | _SHARED_GENERATOR, []
    parts = [
        *(words.format(shared[name]) for name, words in named.items() if shared.get(name)),
        *evaluated,
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


def save(
    figure: Figure,
    numbers: pd.DataFrame,
    *,
    source: str,
    name: str,
    folder: str | Path,
    texts: Sequence[Table] = (),
) -> Path:
    """Write the figure as PNG and PDF and its numbers as CSV; returns the PNG's path.

    Args:
        figure: to be written.
        numbers: what it shows.
        source: where recorded runs are from, which the files say too; empty for logged ones.
        name: of the files.
        folder: that they go to; made if missing.
        texts: tables to be written as Markdown and LaTeX too.
    """
    stem = Path(folder) / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    dpi = rcParams["savefig.dpi"]
    figure.set_dpi(figure.dpi if dpi == "figure" else dpi)  # letters are as wide as they will be
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once for both files
    box = figure.get_tightbbox().padded(_PAD_IN)
    figure.savefig(f"{stem}.png", bbox_inches=box)
    # No date, so that the same numbers give the same file.
    figure.savefig(f"{stem}.pdf", bbox_inches=box, metadata={"CreationDate": None})
    if source:
        numbers = numbers.assign(runs_from=source)
    numbers.to_csv(f"{stem}.csv", index=False, float_format="%.6g")
    if texts:
        tables.write(texts, stem, source=source)
    return Path(f"{stem}.png")
