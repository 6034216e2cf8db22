"""The paper's figure 4: quality over training, by variant (a-c) and by initialisation (d-f)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from analysis import curves, page
from analysis.looks import FACTORS, metric_label, perceptual_metric
from analysis.runs import NoRuns, Runs
from analysis.selection import COMMANDS, Selection, choose

Row = Literal["variant", "init"]

GENERATION_FVD = "generation/fvd"
"""FVD of generated videos, over the steps of training the generator."""

_ROWS: Mapping[Row, str] = {"variant": "abc", "init": "def"}
_ROW_IN = 2.35
_NO_GENERATOR = f"no runs yet: none logged {GENERATION_FVD} (odvae trains no generator of videos)"
_NO_PERCEPTUAL = "no runs yet: none logged LPIPS (odvae weights tells how to get its weights)"
_ORDERS = (
    "The paper states orders, no numbers, on its data and protocol: PSNR and LPIPS of variant 1 at "
    "least those of 4, these better than those of 2 and 3; FVD of generated videos similar for all "
    "four; tail clearly better than inflate (its average) and random."
)


def select(runs: Runs, *, only: Mapping[str, str] | None = None) -> dict[Row, Selection]:
    """Comparable runs for each row of panels that there are any for.

    Raises:
        NoRuns: there are for neither.
    """
    found: dict[Row, Selection] = {}
    reasons = []
    for by in _ROWS:
        try:
            found[by] = choose(runs, by=by, only=only)
        except NoRuns as reason:
            reasons.append(reason)
    if not found:
        raise reasons[0]
    return found


@style.context(page.STYLE)
def draw(selections: Mapping[Row, Selection], *, name: str, folder: str | Path) -> Path:
    """Six panels; one without runs says which command makes them."""
    figure = Figure(figsize=(page.WIDTH_IN, _ROW_IN * len(_ROWS)), layout="constrained")
    rows = figure.subfigures(len(_ROWS), 1, squeeze=False)[:, 0]
    tables = []
    for by, row in zip(_ROWS, rows, strict=True):
        panels = list(row.subplots(1, 3, width_ratios=(1, 1, 0.8)))
        if by not in selections:
            _absent(panels, by)
            continue
        tables.append(_present(row, panels, selections[by], letters=_ROWS[by]))
    above = [f"{_ROWS[by][0]}-{_ROWS[by][-1]}: {page.describe(s)}" for by, s in selections.items()]
    sources = dict.fromkeys(s.source for s in selections.values() if s.source)
    source = "; ".join(sources)
    note = f"{curves.NOTE} {_ORDERS}"
    page.captions(
        figure, "Quality over training (figure 4)", above=above, below=note, source=source
    )
    numbers = pd.concat(tables)
    return page.save(figure, numbers, source=source, name=name, folder=folder)


def _present(
    row: SubFigure, panels: list[Axes], selection: Selection, *, letters: str
) -> pd.DataFrame:
    """Draw a row; returns its numbers."""
    perceptual = perceptual_metric(selection.metrics)
    histories = curves.evaluations(selection)
    for axes, metric in zip(panels, ("psnr_db", perceptual), strict=False):
        if metric is None:
            page.say(axes, "LPIPS ↓", _NO_PERCEPTUAL)
        else:
            curves.evaluation_panel(axes, selection, histories[metric], metric=metric)
    generated = selection.history(GENERATION_FVD)
    if len(generated):
        curves.lines(panels[2], selection, generated)
        panels[2].set_xlabel("generator's training steps")
        panels[2].set_title(_generated(), loc="left")
        histories = histories | {GENERATION_FVD: generated}
    else:
        page.say(panels[2], _generated(), _NO_GENERATOR)
    for axes, letter in zip(panels, letters, strict=True):
        axes.set_title(f"{letter}  {axes.get_title(loc='left')}", loc="left")
    row.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return curves.table(histories).assign(by=selection.by)


def _absent(panels: list[Axes], by: Row) -> None:
    titles = (metric_label("psnr_db"), "LPIPS ↓", _generated())
    for axes, letter, title in zip(panels, _ROWS[by], titles, strict=True):
        page.say(
            axes, f"{letter}  {title}", f"no runs by {FACTORS[by]} yet; make them: {COMMANDS[by]}"
        )


def _generated() -> str:
    return f"{metric_label('fvd').removesuffix(' ↓')}, generated ↓"
