"""Quality by position in the clip, before and after training: who pays for compressing time."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis import page, seeds
from analysis.curves import lines
from analysis.looks import FACTORS, GREY, evaluation_metrics, metric_label
from analysis.runs import NoRuns
from analysis.selection import Selection

_TEMPORAL_STRIDE = 4  # of the method, c_t: frames 0, 4, 8, ... end a latent frame
_MOST_TICKS = 12
_ROW_IN = 2.2
_WHEN = {"zero_step": "before training", "eval": "after training"}


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """A row a metric: a panel before and one after training, a line for each level.

    Raises NoRuns when no run holds such numbers.
    """
    histories = _histories(selection)
    if not histories:
        raise NoRuns("the chosen runs hold no scores by frame; start over with rerun=true")
    metrics = list(dict.fromkeys(metric for metric, _ in histories))
    whens = [when for when in _WHEN if any(when == one for _, one in histories)]
    figure = Figure(figsize=(page.WIDTH_IN, 0.7 + _ROW_IN * len(metrics)), layout="constrained")
    panels = figure.subplots(len(metrics), len(whens), squeeze=False, sharey="row", sharex=True)
    for axes, when in zip(panels[0], whens, strict=True):
        axes.set_title(_WHEN[when], loc="left")
    for metric, row in zip(metrics, panels, strict=True):
        _row(list(row), selection, [histories.get((metric, when)) for when in whens])
        row[0].set_ylabel(metric_label(metric))
    for axes in panels[-1]:
        axes.set_xlabel("frame position")
    page.legend(figure, next(axes for axes in panels.flat if axes.lines))
    title = f"Scores by frame position, by {FACTORS[selection.by]}"
    note = f"{seeds.NOTE} Vertical lines: frames that a latent frame ends with."
    page.heading(figure, title, selection, note=note)
    return page.save(figure, _numbers(histories), source=selection.source, name=name, folder=folder)


def _row(panels: list[Axes], selection: Selection, tables: list[pd.DataFrame | None]) -> None:
    """Draw what there is of one metric, a panel each."""
    for axes, values in zip(panels, tables, strict=True):
        if values is None:
            axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", color=GREY)
        else:
            lines(axes, selection, values)
            axes.xaxis.set_major_locator(MultipleLocator(_tick_every(int(values["step"].max()))))


def _histories(selection: Selection) -> dict[tuple[str, str], pd.DataFrame]:
    """Scores over positions, by metric and when they were taken; those that there are."""
    by_frame = [name for name in selection.metrics if name.endswith("_by_frame")]
    names = {name.removesuffix("_by_frame") for name in by_frame}
    metrics = evaluation_metrics(name.replace("zero_step/", "eval/", 1) for name in names)
    wanted = [(metric, when) for metric in metrics for when in _WHEN]
    found = {
        (metric, when): selection.history(f"{when}/{metric}_by_frame") for metric, when in wanted
    }
    return {key: values for key, values in found.items() if len(values)}


def _numbers(histories: dict[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    tables = [
        seeds.summary(values, ["level", "step"])
        .rename(columns={"step": "frame"})
        .assign(metric=metric, when=_WHEN[when])
        for (metric, when), values in histories.items()
    ]
    return pd.concat(tables)


def _tick_every(last_frame: int) -> int:
    """Frames between ticks: the stride in time, or a multiple that leaves room for the numbers."""
    return _TEMPORAL_STRIDE * -(-last_frame // (_TEMPORAL_STRIDE * _MOST_TICKS))
