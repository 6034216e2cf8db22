"""Differences clip by clip, with their mean and its interval."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odvae.comparison.difference import Comparison, Difference
from odvae.experiment.plot import COLOURS

_COLUMNS = 3
_SPREAD = 0.22  # of the points of a level, so that they do not hide each other
_TITLE_IN = 5.5  # wide enough for the title
_GREY = "0.45"


def differences_png(comparison: Comparison, path: Path) -> None:
    """A panel a metric, a column a level: small points are clips (means over seeds)."""
    names = comparison.metrics
    levels = [one.level for one in comparison.of_metric(names[0])]
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    width_in = max(columns * max(2.8, 0.8 + 0.9 * len(levels)), _TITLE_IN)
    size_in = (width_in, 2.9 * rows + 0.5)
    figure = Figure(figsize=size_in, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, comparison.of_metric(name))
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    baseline = comparison.differences[0].baseline
    figure.suptitle(
        f"Difference from {baseline}. Small: clips. Large: mean, with its 95 % interval.",
        fontsize=9,
    )
    figure.savefig(path, dpi=140)


def _panel(axes: Axes, differences: Sequence[Difference]) -> None:
    axes.axhline(0, color=_GREY, linewidth=0.8, linestyle="--")
    for place, one in enumerate(differences):
        colour = COLOURS[place % len(COLOURS)]
        values = np.sort(one.paired.differences)
        shifts = _SPREAD * np.resize([-1, 0.5, -0.5, 1], len(values)) - 0.05
        axes.plot(place + shifts, values, "o", color=colour, alpha=0.45, markersize=3, mew=0)
        x = place + 0.36
        axes.plot([x, x], [one.interval.low, one.interval.high], color=colour, linewidth=1.8)
        axes.plot(x, one.mean, "D", color=colour, markersize=5)
    axes.set_xticks(range(len(differences)), [_wrapped(one.level) for one in differences])
    axes.set_xlim(-0.5, len(differences) - 0.3)
    axes.tick_params(labelsize=8)
    axes.set_title(differences[0].metric.heading, fontsize=9, loc="left")
    unit = differences[0].metric.unit
    axes.set_ylabel("difference" + (f" ({unit})" if unit else ""), fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _wrapped(label: str) -> str:
    return label.replace(", ", "\n")
