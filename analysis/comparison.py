"""Quality at the end of training, level by level (the paper's ablations, sections 3.2 and 3.4)."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import page, seeds
from analysis.looks import FACTORS, GREY, evaluation_metrics, looks, metric_label
from analysis.selection import Selection

BASELINES = {"variant": "4", "init": "tail"}
"""What the paper chose; differences in the table are from these."""


@mpl.rc_context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """One panel a metric, one column a level. The table adds differences paired by seed."""
    metrics = [m for m in evaluation_metrics(selection.runs.table) if len(_last(selection, m))]
    figure = Figure(figsize=(page.WIDTH_IN, 2.5), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        _panel(axes, selection, metric)
    title = f"Reconstruction after training, by {FACTORS[selection.by]}"
    page.heading(figure, title, selection, note=f"{seeds.NOTE} Thin lines join equal seeds.")
    table = pd.concat([comparison_table(selection, metric) for metric in metrics])
    return page.save(figure, table, name=name, folder=folder)


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


def _panel(axes: Axes, selection: Selection, metric: str) -> None:
    values = _last(selection, metric)
    levels = selection.levels
    place = {level: x for x, level in enumerate(levels)}
    for _, same_seed in values.groupby("seed"):
        joined = same_seed.assign(x=same_seed["level"].map(place)).sort_values("x")
        axes.plot(joined["x"], joined["value"], color=GREY, linewidth=0.5, alpha=0.45, zorder=2)
    means = seeds.summary(values, ["level"]).set_index("level")
    for level, look in looks(selection.by, levels).items():
        points = values.loc[values["level"] == level, "value"]
        if points.empty:
            continue
        x = place[level]
        axes.scatter([x] * len(points), points, s=9, color=look.colour, alpha=0.55, linewidth=0)
        mean, low, high = (float(means.at[level, c]) for c in ("mean", "low", "high"))
        axes.vlines(x, low, high, color=look.colour, linewidth=1.6, zorder=3)
        axes.hlines(mean, x - 0.28, x + 0.28, color=look.colour, linewidth=1.8, zorder=3)
    axes.set_xticks(range(len(levels)), levels)
    axes.set_xlim(-0.6, len(levels) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(FACTORS[selection.by])
    axes.set_title(metric_label(metric), loc="left")
    page.reference_lines(axes, selection, metric)
