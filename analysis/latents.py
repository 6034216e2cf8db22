"""Latents as a generator of videos would meet them: information, scale, memory over time."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import curves, page, seeds
from analysis.comparison import level_panel
from analysis.looks import FACTORS
from analysis.runs import NoRuns
from analysis.selection import Selection

_COLUMNS = 3
_ROW_IN = 2.2
_NUMBERS: Mapping[str, str] = {
    "kl_per_value": "KL (nats/value)",
    "fitted_scale": "fitted scale (1/std)",
    "dead_channels": "dead channels",
    "high_frequency_share": "power above 0.25 cycles/latent",
}
_SERIES: Mapping[str, tuple[str, str]] = {
    "autocorrelation_by_lag": ("autocorrelation in time", "lag (latent frames)"),
    "std_by_frame": ("standard deviation", "latent frame"),
}


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """A panel a number, level by level, and two of lines: over the lag, over latent frames.

    Raises NoRuns when no run holds such numbers.
    """
    numbers = {metric: selection.last(f"latent/{metric}") for metric in _NUMBERS}
    series = {metric: selection.history(f"latent/{metric}") for metric in _SERIES}
    numbers = {metric: values for metric, values in numbers.items() if len(values)}
    series = {metric: values for metric, values in series.items() if len(values)}
    if not numbers and not series:
        raise NoRuns("the chosen runs hold no report of latents; start over with rerun=true")
    rows = -(-(len(numbers) + len(series)) // _COLUMNS)
    figure = Figure(figsize=(page.WIDTH_IN, 0.4 + _ROW_IN * rows), layout="constrained")
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    free = iter(panels)
    for metric, values in numbers.items():
        axes = next(free)
        level_panel(axes, selection, values)
        axes.set_title(_NUMBERS[metric], loc="left")
    for metric, values in series.items():
        axes = next(free)
        curves.lines(axes, selection, values)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        title, label = _SERIES[metric]
        axes.set_title(title, loc="left")
        axes.set_xlabel(label)
    if series:
        page.legend(figure, panels[len(numbers)])
    for axes in free:
        axes.set_axis_off()
    title = f"Latents after training, by {FACTORS[selection.by]}"
    note = (
        f"{seeds.NOTE} Latents of the held-out clips. Fitted scale: brings drawn latents to unit "
        "variance. Dead: KL below 0.01 nats a value, or all but constant."
    )
    page.heading(figure, title, selection, note=note)
    parts = [seeds.summary(v, ["level"]).assign(metric=metric) for metric, v in numbers.items()]
    table = pd.concat([*parts, curves.table(series)] if series else parts)
    return page.save(figure, table, source=selection.source, name=name, folder=folder)
