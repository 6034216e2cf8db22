"""PSNR by position in the clip, before and after training: who pays for temporal compression."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis import page, seeds
from analysis.curves import lines
from analysis.looks import FACTORS
from analysis.selection import Selection

_TEMPORAL_STRIDE = 4  # of the method, c_t: frames 0, 4, 8, ... end a latent frame

_PANELS = {
    "zero_step/psnr_db_by_frame": "before training",
    "eval/psnr_db_by_frame": "after training",
}


@mpl.rc_context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """One panel before and one after training, a line for each level."""
    histories = {metric: selection.history(metric) for metric in _PANELS}
    histories = {metric: values for metric, values in histories.items() if len(values)}
    figure = Figure(figsize=(page.WIDTH_IN, 2.9), layout="constrained")
    panels = figure.subplots(1, max(1, len(histories)), squeeze=False, sharey=True)[0]
    for axes, (metric, values) in zip(panels, histories.items(), strict=False):
        lines(axes, selection, values)
        axes.set_xlabel("frame position")
        axes.xaxis.set_major_locator(MultipleLocator(_TEMPORAL_STRIDE))
        axes.set_title(_PANELS[metric], loc="left")
    panels[0].set_ylabel("PSNR (dB) ↑")
    page.legend(figure, panels[0], title=FACTORS[selection.by])
    title = f"PSNR by frame position, by {FACTORS[selection.by]}"
    note = f"{seeds.NOTE} Vertical lines: the last frame of each latent."
    page.heading(figure, title, selection, note=note)
    tables = [
        seeds.summary(values, ["level", "step"])
        .rename(columns={"step": "frame"})
        .assign(when=_PANELS[metric])
        for metric, values in histories.items()
    ]
    return page.save(figure, pd.concat(tables), name=name, folder=folder)
