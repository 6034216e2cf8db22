"""Quality against training steps, from before the first one (the paper's figure 4)."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import page, seeds
from analysis.looks import FACTORS, level_label, looks, metric_label, perceptual_metric
from analysis.selection import Selection


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """PSNR and the perceptual metric, if any was logged, a line for each level."""
    perceptual = perceptual_metric(selection.metrics)
    histories = {
        metric: selection.history(f"eval/{metric}")
        for metric in ("psnr_db", perceptual)
        if metric is not None
    }
    figure = Figure(figsize=(page.WIDTH_IN, 2.9), layout="constrained")
    panels = figure.subplots(1, len(histories), squeeze=False)[0]
    for axes, (metric, values) in zip(panels, histories.items(), strict=True):
        lines(axes, selection, values)
        axes.set_xlabel("training steps")
        axes.set_title(metric_label(metric), loc="left")
        page.reference_lines(axes, selection, metric)
    page.legend(figure, panels[0])
    title = f"Learning curves, by {FACTORS[selection.by]}"
    page.heading(figure, title, selection, note=f"{seeds.NOTE} Step 0: before any training.")
    tables = [
        seeds.summary(values, ["level", "step"]).assign(metric=metric)
        for metric, values in histories.items()
    ]
    return page.save(figure, pd.concat(tables), name=name, folder=folder)


def lines(axes: Axes, selection: Selection, values: pd.DataFrame) -> None:
    """Mean lines with bands over ``step``; seeds as points. Columns level, seed, step, value."""
    means = seeds.summary(values, ["level", "step"]).sort_values("step")
    for level, look in looks(selection.by, selection.levels).items():
        points = values[values["level"] == level]
        mean = means[means["level"] == level]
        label = level_label(selection.by, level)
        axes.scatter(
            points["step"], points["value"], s=5, color=look.colour, alpha=0.6, linewidth=0
        )
        axes.fill_between(
            mean["step"], mean["low"], mean["high"], color=look.colour, alpha=0.14, linewidth=0
        )
        axes.plot(mean["step"], mean["mean"], color=look.colour, marker=look.marker, label=label)
