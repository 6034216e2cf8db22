"""PSNR by position in the clip, before and after training: who pays for temporal compression."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis import page, seeds
from analysis.curves import lines
from analysis.looks import FACTORS
from analysis.runs import NoRuns
from analysis.selection import Selection

_TEMPORAL_STRIDE = 4  # of the method, c_t: frames 0, 4, 8, ... end a latent frame
_MOST_TICKS = 12

_PANELS = {
    "zero_step/psnr_db_by_frame": "before training",
    "eval/psnr_db_by_frame": "after training",
}


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """One panel before and one after training, a line for each level.

    Raises NoRuns when no run holds these numbers.
    """
    histories = {metric: selection.history(metric) for metric in _PANELS}
    histories = {metric: values for metric, values in histories.items() if len(values)}
    if not histories:
        raise NoRuns("the chosen runs hold no PSNR by frame; start over with rerun=true")
    figure = Figure(figsize=(page.WIDTH_IN, 2.9), layout="constrained")
    panels = figure.subplots(1, len(histories), squeeze=False, sharey=True)[0]
    for axes, (metric, values) in zip(panels, histories.items(), strict=True):
        lines(axes, selection, values)
        axes.set_xlabel("frame position")
        axes.xaxis.set_major_locator(MultipleLocator(_tick_every(int(values["step"].max()))))
        axes.set_title(_PANELS[metric], loc="left")
    panels[0].set_ylabel("PSNR (dB) ↑")
    page.legend(figure, panels[0])
    title = f"PSNR by frame position, by {FACTORS[selection.by]}"
    note = f"{seeds.NOTE} Vertical lines: frames that a latent frame ends with."
    page.heading(figure, title, selection, note=note)
    tables = [
        seeds.summary(values, ["level", "step"])
        .rename(columns={"step": "frame"})
        .assign(when=_PANELS[metric])
        for metric, values in histories.items()
    ]
    return page.save(figure, pd.concat(tables), name=name, folder=folder)


def _tick_every(last_frame: int) -> int:
    """Frames between ticks: the stride in time, or a multiple that leaves room for the numbers."""
    return _TEMPORAL_STRIDE * -(-last_frame // (_TEMPORAL_STRIDE * _MOST_TICKS))
