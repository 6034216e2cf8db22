"""Quality at the end of training, level by level (the paper's ablations, sections 3.2 and 3.4)."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import page, seeds
from analysis.looks import FACTORS, GREY, evaluation_metrics, looks, metric_label
from analysis.runs import NoRuns
from analysis.selection import Selection

BASELINES = {"variant": "4", "init": "tail"}
"""What the paper chose; differences in the table are from these."""

_COLUMNS = 2
_OFFSET = 0.1  # of the seeds to the left, of the mean to the right


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """One panel a metric, one column a level. The table adds differences paired by seed.

    Raises NoRuns when all results are NaN.
    """
    metrics = evaluation_metrics(selection.metrics)
    if not metrics:
        raise NoRuns("no chosen run has a finite result; start over with rerun=true")
    rows = -(-len(metrics) // _COLUMNS)
    figure = Figure(figsize=(page.WIDTH_IN, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for axes, metric in zip(panels, metrics, strict=False):
        level_panel(axes, selection, _last(selection, metric))
        axes.set_title(f"{metric_label(metric)}  {selection.mark(metric)}".rstrip(), loc="left")
        page.reference_lines(axes, selection, metric)
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    title = f"Reconstruction after training, by {FACTORS[selection.by]}"
    note = f"{seeds.NOTE} Thin lines join runs of one seed."
    if any(map(selection.mark, metrics)):
        note += " Rank-deficient: fewer clips than features, so compare the same clips only."
    page.heading(figure, title, selection, note=note)
    table = pd.concat([comparison_table(selection, metric) for metric in metrics])
    return page.save(figure, table, source=selection.source, name=name, folder=folder)


def comparison_table(selection: Selection, metric: str) -> pd.DataFrame:
    """Mean and interval of each level, and of its difference from the baseline at equal seeds."""
    values = _last(selection, metric)
    baseline = BASELINES[selection.by]
    paired = seeds.summary(seeds.differences(values, baseline=baseline), ["level"])
    names = {column: f"difference_{column}" for column in ("mean", "low", "high")}
    table = seeds.summary(values, ["level"]).merge(
        paired.drop(columns="seeds").rename(columns=names), on="level", how="left"
    )
    table.insert(0, "metric", metric)
    table["difference_from"] = baseline
    return table.sort_values("level", key=lambda column: column.map(selection.levels.index))


def _last(selection: Selection, metric: str) -> pd.DataFrame:
    return selection.last(f"eval/{metric}")


def level_panel(axes: Axes, selection: Selection, values: pd.DataFrame) -> None:
    """Seeds, their mean and its interval, level by level. Columns level, seed, value."""
    levels = selection.levels
    values = values.assign(x=values["level"].map(levels.index) - _OFFSET)
    for _, same_seed in values.sort_values("x").groupby("seed"):
        axes.plot(same_seed["x"], same_seed["value"], color=GREY, linewidth=0.5, alpha=0.5)
    means = seeds.summary(values, ["level"])
    for level, look in looks(selection.by, levels).items():
        points, mean = values[values["level"] == level], means[means["level"] == level]
        axes.scatter(points["x"], points["value"], s=8, color=look.colour, linewidth=0, zorder=3)
        x = np.full(len(mean), levels.index(level) + _OFFSET)
        axes.vlines(x, mean["low"], mean["high"], color=look.colour, linewidth=1.4)
        axes.plot(x, mean["mean"], look.marker, color=look.colour, markersize=5)
    axes.set_xticks(range(len(levels)), levels)
    axes.set_xlim(-0.6, len(levels) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(FACTORS[selection.by])
