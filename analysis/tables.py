"""Tables of text, written as GitHub's Markdown and as LaTeX."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

PAPER_NOTE = "The paper's data and protocol are others: compare orders, not values."
MISSING = "-"

_NUMBER_BEGINS = set("+-0123456789")
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
        "±": r"$\pm$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "≥": r"$\geq$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "\N{NO-BREAK SPACE}": "~",
    }
)


@dataclass(frozen=True)
class Column:
    """A column's title; neighbours of one ``group`` share a heading above theirs."""

    title: str
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Texts in rows and columns.

    Raises:
        ValueError: a row has not one cell a column.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row must have {len(self.columns)} cells, got {row}")

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers alone."""
        return [
            all(row[place][:1] in _NUMBER_BEGINS for row in self.rows)
            for place in range(len(self.columns))
        ]

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Headings above titles: name, first column, last column; none: no column has one."""
        places = groupby(range(len(self.columns)), key=lambda place: self.columns[place].group)
        runs = [(name, list(some)) for name, some in places]
        return [(name, some[0], some[-1]) for name, some in runs if name]


def number(value: float | None, digits: int, *, half: float = math.nan) -> str:
    """A number as a cell, with half of its interval if there is one; a dash for none."""
    if value is None or math.isnan(value):
        return MISSING
    return f"{value:.{digits}f}" + ("" if math.isnan(half) else f" ± {half:.{digits}f}")


def write(tables: Sequence[Table], stem: Path, *, source: str) -> None:
    """Write STEM.md and STEM.tex, with a word on where the runs are from."""
    Path(f"{stem}.md").write_text(markdown(tables, source=source), encoding="utf-8")
    Path(f"{stem}.tex").write_text(latex(tables, source=source), encoding="utf-8")


def markdown(tables: Sequence[Table], *, source: str = "") -> str:
    """The tables in GitHub's Markdown."""
    parts = [_markdown(table) for table in tables]
    return "\n\n".join([*parts, *([f"From {source}."] if source else [])]) + "\n"


def latex(tables: Sequence[Table], *, source: str = "") -> str:
    """The tables as floats of LaTeX, which needs the package booktabs."""
    parts = [rf"% \usepackage{{booktabs}}{f'; from {source}' if source else ''}"]
    return "\n\n".join([*parts, *(_latex(table) for table in tables)]) + "\n"


def _markdown(table: Table) -> str:
    titles = [f"{column.group}: {column.title}".lstrip(": ") for column in table.columns]
    rules = ["---:" if is_number else "---" for is_number in table.numeric]
    lines = [table.caption, "", _row(titles), _row(rules), *(_row(row) for row in table.rows)]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _latex(table: Table) -> str:
    alignment = "".join("r" if is_number else "l" for is_number in table.numeric)
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{_escaped(table.caption)}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *_latex_spans(table),
        _latex_row([column.title for column in table.columns]),
        r"\midrule",
        *(_latex_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.note:
        lines += ["", rf"\footnotesize {_escaped(table.note)}"]
    return "\n".join([*lines, r"\end{table}"])


def _latex_spans(table: Table) -> list[str]:
    """Headings above titles, with a rule below each."""
    if not table.spans:
        return []
    cells, next_column = [], 0
    for name, first, last in table.spans:
        cells += [""] * (first - next_column)
        cells.append(rf"\multicolumn{{{last - first + 1}}}{{c}}{{{_escaped(name)}}}")
        next_column = last + 1
    cells += [""] * (len(table.columns) - next_column)
    rules = [rf"\cmidrule(lr){{{first + 1}-{last + 1}}}" for _, first, last in table.spans]
    return [rf"{' & '.join(cells)} \\", " ".join(rules)]


def _latex_row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(_escaped(cell) for cell in cells)} \\"


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
