"""Tables as a picture, ruled as in a printed paper."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import page
from analysis.tables import Table

_SIZE_PT = 7.5
_LINE_IN = 0.145
_ROW_IN = 0.18
_CHAR_IN = 0.06  # of the widest letters that a column of this size is made of
_GAP_IN = 0.14  # between columns
_LEFT_IN = 0.035  # before the first column, as before a figure's title
_BLOCK_GAP_IN = 0.22  # between tables
_TITLE_CHARS = 9  # a title may be so wide before it is broken


def picture(tables: Sequence[Table]) -> Figure:
    """One table below the other, all as wide as their texts need."""
    is_named = len(tables) > 1  # one alone is named by the figure's title
    heights = [_height_in(table, is_named=is_named) for table in tables]
    widest = max(sum(_widths_in(table)) for table in tables)
    height = sum(heights) + _BLOCK_GAP_IN * (len(tables) - 1)
    figure = Figure(figsize=(max(page.WIDTH_IN, widest + _LEFT_IN), height))
    axes = figure.add_axes((0, 0, 1, 1))  # in inches, from the upper left
    axes.set(xlim=(-_LEFT_IN, figure.get_figwidth() - _LEFT_IN), ylim=(height, 0))
    axes.set_axis_off()
    top = 0.0
    for table, height_in in zip(tables, heights, strict=True):
        _draw(axes, table, top, is_named=is_named)
        top += height_in + _BLOCK_GAP_IN
    return figure


def _draw(axes: Axes, table: Table, top: float, *, is_named: bool) -> None:
    right = axes.get_xlim()[1]
    widths = _stretched(_widths_in(table), right)
    y = top + 0.02
    if is_named:
        y += _ROW_IN
        axes.text(0, y - 0.05, table.caption, va="bottom", fontsize=_SIZE_PT, fontweight="bold")
    _rule(axes, y, 0, right, width=1.0)
    edges = [sum(widths[:place]) for place in range(len(widths) + 1)]
    for name, first, last in table.spans:
        middle = (edges[first] + edges[last + 1]) / 2
        axes.text(middle, y + _ROW_IN / 2, name, ha="center", va="center", fontsize=_SIZE_PT)
        _rule(axes, y + _ROW_IN, edges[first] + _GAP_IN / 2, edges[last + 1], width=0.5)
    y += _ROW_IN * bool(table.spans)
    titles = _titles(table)
    y += _LINE_IN * max(title.count("\n") + 1 for title in titles) + 0.06
    _cells(axes, titles, y - 0.05, widths, numeric=table.numeric, va="baseline")
    _rule(axes, y, 0, right, width=0.6)
    for row in table.rows:
        _cells(axes, row, y + _ROW_IN / 2 + 0.02, widths, numeric=table.numeric, va="center")
        y += _ROW_IN
    _rule(axes, y + 0.04, 0, right, width=1.0)


def _cells(
    axes: Axes,
    texts: Sequence[str],
    y: float,
    widths: list[float],
    *,
    numeric: list[bool],
    va: str,
) -> None:
    left = 0.0
    for text, width, is_number in zip(texts, widths, numeric, strict=True):
        x, ha = (left + width, "right") if is_number else (left + 0.02, "left")
        axes.text(x, y, text, ha=ha, va=va, fontsize=_SIZE_PT, linespacing=1.15)
        left += width


def _rule(axes: Axes, y: float, left: float, right: float, *, width: float) -> None:
    axes.hlines(y, left, right, color="black", linewidth=width, clip_on=False)


def _titles(table: Table) -> list[str]:
    """Titles broken into lines no wider than the cells below them, or a few letters."""
    cells = [
        max((len(row[place]) for row in table.rows), default=0)
        for place in range(len(table.columns))
    ]
    return [
        "\n".join(textwrap.wrap(column.title, max(_TITLE_CHARS, cell), break_long_words=False))
        for column, cell in zip(table.columns, cells, strict=True)
    ]


def _widths_in(table: Table) -> list[float]:
    """Of every column with the gap before it; no group is narrower than its heading."""
    widths = []
    for place, title in enumerate(_titles(table)):
        texts = [*title.split("\n"), *(row[place] for row in table.rows)]
        widths.append(_GAP_IN * (place > 0) + _CHAR_IN * max(map(len, texts)))
    for name, first, last in table.spans:
        lacking = _CHAR_IN * len(name) - sum(widths[first : last + 1])
        for place in range(first, last + 1):
            widths[place] += max(lacking, 0) / (last - first + 1)
    return widths


def _stretched(widths: list[float], right: float) -> list[float]:
    """The widths with larger gaps, so that all columns together reach the right edge."""
    more = (right - sum(widths)) / max(len(widths) - 1, 1)
    return [width + more * (place > 0) for place, width in enumerate(widths)]


def _height_in(table: Table, *, is_named: bool) -> float:
    titles = max(title.count("\n") + 1 for title in _titles(table))
    rows = is_named + bool(table.spans) + len(table.rows)
    return _ROW_IN * rows + _LINE_IN * titles + 0.12
