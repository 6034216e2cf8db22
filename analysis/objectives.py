"""What each term of the objective does to quality, and how the discriminator fares."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from analysis import curves, page
from analysis.looks import GREY
from analysis.selection import Selection
from analysis.terms import LPIPS_BACKBONE, LPIPS_WEIGHT, START_STEP

_REAL, _FAKE, _ADAPTIVE = "train/logits_real", "train/logits_fake", "train/adaptive_weight"
_MOST_POINTS = 40  # on a line: a long training logs thousands

_COLUMNS = 2
_ROW_IN = 2.4


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """PSNR and the perceptual metric above, logits and adaptive weight below, where logged."""
    evaluations, health = curves.evaluations(selection), _health(selection)
    logits = {metric: values for metric, values in health.items() if metric != _ADAPTIVE}
    count = len(evaluations) + bool(logits) + (_ADAPTIVE in health)
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(page.WIDTH_IN, 0.5 + _ROW_IN * rows), layout="constrained")
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    rest = iter(panels)
    for metric, values in evaluations.items():
        curves.evaluation_panel(next(rest), selection, values, metric=metric)
    if logits:
        _logits_panel(next(rest), selection, logits)
    if _ADAPTIVE in health:
        _adaptive_panel(next(rest), selection, health[_ADAPTIVE])
    for axes in rest:
        axes.set_axis_off()
    _same_steps(panels[:count], selection)
    page.legend(figure, panels[0])
    note = " ".join([curves.NOTE, *_notes(selection, with_health=bool(health))])
    page.heading(figure, "Learning curves, by objective", selection, note=note)
    table = curves.table(evaluations | health)
    return page.save(figure, table, source=selection.source, name=name, folder=folder)


def _health(selection: Selection) -> dict[str, pd.DataFrame]:
    """What the discriminator logged, averaged over stretches of steps."""
    histories = {metric: selection.history(metric) for metric in (_REAL, _FAKE, _ADAPTIVE)}
    return {
        metric: curves.averaged(values, stretch=_stretch(selection))
        for metric, values in histories.items()
        if len(values)
    }


def _stretch(selection: Selection) -> int:
    return 1 + int(selection.setting["train.steps"]) // _MOST_POINTS


def _logits_panel(axes: Axes, selection: Selection, logits: dict[str, pd.DataFrame]) -> None:
    for metric, values in logits.items():
        curves.lines(axes, selection, values, dashed=metric == _FAKE)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    axes.set_xlabel("training steps")
    axes.set_title("discriminator's logits", loc="left")


def _adaptive_panel(axes: Axes, selection: Selection, values: pd.DataFrame) -> None:
    curves.lines(axes, selection, values)
    axes.set_yscale("log")
    # Numbers also where the values span less than a decade.
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("training steps")
    axes.set_title("adaptive weight of the adversarial term", loc="left")


def _same_steps(panels: list[Axes], selection: Selection) -> None:
    """One range of steps for all panels, with the step at which the discriminator begins."""
    limits = panels[0].get_xlim()
    begins = _field(selection, START_STEP)
    for axes in panels:
        axes.set_xlim(limits)
        if begins:
            axes.axvline(int(begins), color=GREY, linewidth=0.8, linestyle=":", zorder=1)


def _notes(selection: Selection, *, with_health: bool) -> Iterator[str]:
    if weight := _field(selection, LPIPS_WEIGHT):
        yield f"LPIPS term: {_field(selection, LPIPS_BACKBONE)}, weight {float(weight):g}."
    if _field(selection, START_STEP):
        yield "Dotted: the discriminator begins."
    if with_health:
        over = f"over {_stretch(selection)} steps"
        yield f"Logits (solid: real clips, dashed: reconstructions) and weight: means {over}."


def _field(selection: Selection, name: str) -> str:
    """What a field of a term is wherever the term takes part; empty where none does."""
    return str(selection.runs.table[name].max())
