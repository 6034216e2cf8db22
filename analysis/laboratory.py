"""Ways to start: quality before the first step, and how many steps to a level worth having."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import page, seeds
from analysis.looks import BLACK, FACTORS, GREY, Look, in_order, looks, metric_label
from analysis.run_table import start_label
from analysis.runs import NoRuns
from analysis.selection import Selection

_METRIC = "psnr_db"
_STEP_DB = 0.1  # of the level to reach
_SHARE = 0.5  # of the starts that reached it
_DODGE = 0.24  # between operators
_ASIDE = 0.06  # of the seeds to the left, of the mean to the right
_LINES = ("-", "--", ":")  # of operators
_NEVER = 1.12  # where runs stand that did not get there, of the steps trained


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """Quality at step 0, steps to the level, and the curves that these are read from.

    Raises NoRuns when no run holds its curve.
    """
    curves = _by_start(selection, selection.history(f"eval/{_METRIC}"))
    if curves.empty:
        raise NoRuns("the chosen runs hold no curves; start over with rerun=true")
    target_db = target(curves)
    zero = curves[curves["step"] == 0].drop(columns="step")
    steps = steps_to(curves, target_db)
    figure = Figure(figsize=(page.WIDTH_IN, 2.9), layout="constrained")
    panels = figure.subplots(1, 3)
    _points(panels[0], zero)
    panels[0].set_title(f"before training, {metric_label(_METRIC)}", loc="left")
    _points(panels[1], steps)
    _never(panels[1], steps, last_step=int(curves["step"].max()))
    panels[1].set_title(f"steps to {target_db:.1f} dB ↓", loc="left")
    _curves(panels[2], curves, target_db)
    panels[2].set_title(metric_label(_METRIC), loc="left")
    page.legend(figure, panels[2])
    note = (
        f"{seeds.NOTE} {target_db:.1f} dB: what half of the starts reached with every seed, "
        "rounded down to 0.1 dB; steps are interpolated between two looks at the held-out clips. "
        "Crosses: so many runs had not got there at the last step."
    )
    page.heading(figure, "Initialisation laboratory", selection, note=note)
    numbers = pd.concat(
        [
            _summary(zero).assign(metric=f"zero_step_{_METRIC}"),
            _summary(steps).assign(metric="steps_to_target", target_db=target_db),
        ]
    )
    return page.save(figure, numbers, source=selection.source, name=name, folder=folder)


def target(curves: pd.DataFrame) -> float:
    """The highest PSNR that half of the starts reached with every seed, rounded down to 0.1 dB.

    Args:
        curves: columns init, operators, seed, step, value.
    """
    best = curves.groupby(["init", "operators", "seed"])["value"].max()
    of_starts = best.groupby(["init", "operators"]).min().sort_values(ascending=False)
    reached = float(of_starts.iloc[math.ceil(_SHARE * len(of_starts)) - 1])
    return math.floor(reached / _STEP_DB + 1e-9) * _STEP_DB


def steps_to(curves: pd.DataFrame, target_db: float) -> pd.DataFrame:
    """Steps until a run first is at a level, interpolated; NaN for one that never was.

    Args:
        curves: columns init, operators, seed, step, value.
        target_db: the level.

    Returns:
        Columns init, operators, seed, value.
    """
    runs = curves.sort_values("step").groupby(["init", "operators", "seed"], sort=False)
    rows = [(*key, _first_at(run["step"], run["value"], target_db)) for key, run in runs]
    return pd.DataFrame(rows, columns=["init", "operators", "seed", "value"])


def _first_at(steps: "pd.Series[int]", values: "pd.Series[float]", level: float) -> float:
    before: tuple[float, float] | None = None
    for step, value in zip(steps, values, strict=True):
        if value >= level:
            if before is None:
                return float(step)
            past, lower = before
            return past + (step - past) * (level - lower) / (value - lower)
        before = float(step), float(value)
    return math.nan


def _by_start(selection: Selection, values: pd.DataFrame) -> pd.DataFrame:
    """The values with columns init and operators in place of the level."""
    table = selection.runs.table.drop_duplicates("start").set_index("start")
    levels = values["level"]
    both = {name: levels.map(table[name]) for name in ("init", "operators")}
    return values.assign(**both).drop(columns="level")


def _summary(values: pd.DataFrame) -> pd.DataFrame:
    """Over seeds; no mean where a seed never got there."""
    whole = values.groupby(["init", "operators"])["value"].transform(lambda own: own.notna().all())
    return seeds.summary(values[whole.astype(bool)], ["init", "operators"])


def _points(axes: Axes, values: pd.DataFrame) -> None:
    """Seeds, their mean and its interval, by initialisation, a little apart for each operators."""
    summary = _summary(values)
    for start in _starts(values):
        x, colour = start.x, start.look.colour
        own = _of(values, start.init, start.operators)
        axes.scatter([x - _ASIDE] * len(own), own["value"], s=7, color=colour, linewidth=0)
        for mean in _of(summary, start.init, start.operators).to_dict("records"):
            axes.vlines(x + _ASIDE, mean["low"], mean["high"], color=colour, linewidth=1.3)
            fill = colour if start.is_first else "white"
            marker = start.look.marker
            axes.plot(x + _ASIDE, mean["mean"], marker, color=colour, markerfacecolor=fill)
    inits = in_order("init", values["init"].unique())
    axes.set_xticks(range(len(inits)), inits)
    axes.set_xlim(-0.6, len(inits) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(FACTORS["init"])


def _never(axes: Axes, steps: pd.DataFrame, *, last_step: int) -> None:
    """Put runs that did not get there above the last step, with their count."""
    lacking = steps[steps["value"].isna()]
    for start in _starts(steps):
        count = len(_of(lacking, start.init, start.operators))
        if count:
            place = (start.x, _NEVER * last_step)
            axes.plot(*place, "x", color=start.look.colour, markersize=6)
            axes.annotate(
                f"{count}",
                place,
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=6.5,
                color=start.look.colour,
            )
    axes.axhline(last_step, color=GREY, linewidth=0.7, linestyle=":")
    axes.set_ylim(-0.06 * last_step, 1.3 * last_step)


@dataclass(frozen=True)
class _Start:
    """One initialisation with its operators, and where it stands in a panel."""

    init: str
    operators: str
    look: Look
    x: float
    is_first: bool  # of the operators


def _starts(values: pd.DataFrame) -> Iterator[_Start]:
    inits = in_order("init", values["init"].unique())
    kinds = sorted(values["operators"].unique())
    for place, (init, look) in enumerate(looks("init", inits).items()):
        for kind, operators in enumerate(kinds):
            x = place + _DODGE * (kind - (len(kinds) - 1) / 2)
            yield _Start(init, operators, look, x, is_first=kind == 0)


def _curves(axes: Axes, curves: pd.DataFrame, target_db: float) -> None:
    inits = in_order("init", curves["init"].unique())
    kinds = sorted(curves["operators"].unique())
    means = seeds.summary(curves, ["init", "operators", "step"]).sort_values("step")
    for init, look in looks("init", inits).items():
        for operators, line in zip(kinds, _LINES, strict=False):
            own, mean = _of(curves, init, operators), _of(means, init, operators)
            axes.scatter(own["step"], own["value"], s=4, color=look.colour, alpha=0.6, linewidth=0)
            axes.fill_between(
                mean["step"], mean["low"], mean["high"], color=look.colour, alpha=0.14, linewidth=0
            )
            axes.plot(mean["step"], mean["mean"], line, color=look.colour)
        axes.plot([], [], look.marker, color=look.colour, label=init)
    for operators, line in zip(kinds, _LINES, strict=False):
        words = start_label("", operators).removeprefix(", ")
        axes.plot([], [], line, color=BLACK, label=words)
    axes.axhline(target_db, color=GREY, linewidth=0.7, linestyle=":")
    axes.set_xlabel("training steps")


def _of(table: pd.DataFrame, init: str, operators: str) -> pd.DataFrame:
    return table[(table["init"] == init) & (table["operators"] == operators)]
