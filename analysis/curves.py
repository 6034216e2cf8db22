"""Lines over training steps, from before the first one, or over positions: means, bands, seeds."""

import pandas as pd
from matplotlib.axes import Axes

from analysis import page, seeds
from analysis.looks import level_label, looks, metric_label, perceptual_metric
from analysis.selection import Selection

NOTE = f"{seeds.NOTE} Markers: looks at the held-out clips, the one at step 0 before training."

_THIN = 0.8  # of a line, in points


def evaluations(selection: Selection) -> dict[str, pd.DataFrame]:
    """Histories of PSNR and of the perceptual metric, if any was logged, by the metric's name."""
    perceptual = perceptual_metric(selection.metrics)
    return {
        metric: selection.history(f"eval/{metric}")
        for metric in ("psnr_db", perceptual)
        if metric is not None
    }


def evaluation_panel(
    axes: Axes, selection: Selection, values: pd.DataFrame, *, metric: str
) -> None:
    """The lines of one metric of the evaluation, and the levels to beat."""
    lines(axes, selection, values)
    axes.set_xlabel("training steps")
    axes.set_title(metric_label(metric), loc="left")
    page.reference_lines(axes, selection, metric)


def table(histories: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers of these histories: a row a metric, level and step."""
    tables = [
        seeds.summary(values, ["level", "step"]).assign(metric=metric)
        for metric, values in histories.items()
    ]
    return pd.concat(tables)


def averaged(values: pd.DataFrame, *, stretch: int) -> pd.DataFrame:
    """Means over so many steps, each at the last step that it holds.

    Args:
        values: columns level, seed, step, value.
        stretch: how many steps.
    """
    stretches = (values["step"] // stretch).rename("stretch")
    groups = values.groupby(["level", "seed", stretches], sort=False)
    return groups.agg(step=("step", "max"), value=("value", "mean")).reset_index()


def lines(
    axes: Axes,
    selection: Selection,
    values: pd.DataFrame,
    *,
    dashed: bool = False,
    thin: bool = False,
) -> None:
    """Mean lines with bands over ``step``; seeds as points. Columns level, seed, step, value.

    Dashed lines have open markers, for a second quantity in the same panel. Thin ones have no
    markers and no points, for what was logged often.
    """
    means = seeds.summary(values, ["level", "step"]).sort_values("step")
    for level, look in looks(selection.by, selection.levels).items():
        points = values[values["level"] == level]
        mean = means[means["level"] == level]
        label = level_label(selection.by, level)
        if not thin:
            axes.scatter(
                points["step"],
                points["value"],
                s=5,
                facecolor="none" if dashed else look.colour,
                edgecolor=look.colour,
                alpha=0.6,
                linewidth=0.5 if dashed else 0,
            )
        axes.fill_between(
            mean["step"], mean["low"], mean["high"], color=look.colour, alpha=0.14, linewidth=0
        )
        axes.plot(
            mean["step"],
            mean["mean"],
            linestyle="--" if dashed else "-",
            linewidth=_THIN if thin else None,
            color=look.colour,
            marker="" if thin else look.marker,
            markerfacecolor="white" if dashed else look.colour,
            label=label,
        )
