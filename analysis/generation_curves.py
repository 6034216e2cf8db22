"""How a generator learns from the latents of each VAE: by steps, by time, and what a step costs."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import curves, generated, page, seeds
from analysis.generation_table import BASE_WORDS, MEMORY, SPEED, base_level
from analysis.looks import FACTORS, GREY, level_label, looks
from analysis.runs import NoRuns
from analysis.selection import Selection

_TRAINING, _VALIDATION = "loss", "validation_loss"
_LOSSES = {_TRAINING: "training loss", _VALIDATION: "validation loss ↓"}
_BARS = {SPEED: "training (it/s)", MEMORY: "training memory (MB)"}
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
_FEW = 3  # of a unit, and the next smaller one is told
_MOST_POINTS = 25  # on a line
_MANY = 100  # from here on without decimals
_ROW_IN, _BAR_IN = 2.1, 0.2
_NOTE = (
    "Training loss: of what is predicted, on the clips that train, means over stretches of steps. "
    "Validation loss: of the predicted noise per latent value, on held-out clips, at looks. Both "
    "tell how well latents are predicted, not how good videos are. Time: of the training alone."
)


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """A row a loss, over steps and over time; below them speed and memory.

    Raises NoRuns when no run logged a loss.
    """
    histories = {loss: _history(selection, loss) for loss in _LOSSES}
    histories = {loss: values for loss, values in histories.items() if len(values)}
    if not histories:
        raise NoRuns("the chosen generations hold no losses; start over with rerun=true")
    heights = [_ROW_IN * len(histories), 0.5 + _BAR_IN * len(selection.levels)]
    figure = Figure(figsize=(page.WIDTH_IN, 0.4 + sum(heights)), layout="constrained")
    # Apart, so that names of bars take no room from lines.
    upper, lower = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    rows = upper.subplots(len(histories), 2, squeeze=False, sharey="row")
    for row, (loss, values) in zip(rows, histories.items(), strict=True):
        _losses(list(row), selection, values, title=_LOSSES[loss], thin=loss == _TRAINING)
    costs = {cost: seeds.summary(_of(selection, cost), ["level"]) for cost in _BARS}
    bars = lower.subplots(1, 2)
    for axes, (cost, means) in zip(bars, costs.items(), strict=True):
        _bars(axes, selection, means)
        axes.set_title(_BARS[cost], loc="left")
    bars[1].set_yticklabels([])
    page.legend(figure, rows[-1][0])
    above = [page.describe(selection), generated.facts(selection)]
    words = BASE_WORDS.get(selection.by)
    against = f" In brackets: times {words}." if base_level(selection) else ""
    title = f"Training a generator, by {FACTORS[selection.by]}"
    note = f"{seeds.NOTE} {_NOTE}{against}"
    page.captions(figure, title, above=above, below=note, source=selection.source)
    table = pd.concat(
        [
            curves.table(histories),
            *(means.assign(metric=cost) for cost, means in costs.items()),
        ]
    )
    return page.save(figure, table, source=selection.source, name=name, folder=folder)


def in_seconds(selection: Selection, values: pd.DataFrame) -> pd.DataFrame:
    """The values with the seconds that so many steps take in place of the step.

    By the mean speed of a level, so that its seeds stay together; without one they are left out.
    """
    speeds = _of(selection, SPEED).groupby("level")["value"].mean()
    return values.assign(step=values["step"] / values["level"].map(speeds)).dropna()


def _unit(longest_s: float) -> tuple[str, int]:
    """In what so long a time is told, and how many seconds that is."""
    large = [unit for unit, seconds in _UNITS.items() if longest_s >= _FEW * seconds]
    unit = large[-1] if large else next(iter(_UNITS))
    return unit, _UNITS[unit]


def _of(selection: Selection, metric: str) -> pd.DataFrame:
    return selection.last(f"generation/{metric}")


def _history(selection: Selection, loss: str) -> pd.DataFrame:
    """Values over steps; of the training loss, which is logged often, means over stretches."""
    values = selection.history(f"generation/{loss}")
    if loss == _TRAINING and len(values):
        return curves.averaged(values, stretch=1 + int(values["step"].max()) // _MOST_POINTS)
    return values


def _losses(
    row: list[Axes], selection: Selection, values: pd.DataFrame, *, title: str, thin: bool
) -> None:
    """The same lines over steps and over the minutes that so many steps took."""
    times = in_seconds(selection, values)
    of_time, seconds = _unit(times["step"].max())
    times = times.assign(step=times["step"] / seconds)
    for axes, shown, unit in ((row[0], values, "steps"), (row[1], times, of_time)):
        curves.lines(axes, selection, shown, thin=thin)
        axes.set_xlabel(f"generator's training ({unit})")
        axes.set_xlim(left=0)
        axes.set_title(title, loc="left")


def _bars(axes: Axes, selection: Selection, means: pd.DataFrame) -> None:
    """A bar a level, with its number and what it is times the level to be held against."""
    base = base_level(selection)
    by_level = means.set_index("level")["mean"]
    for place, (level, look) in enumerate(looks(selection.by, selection.levels).items()):
        value = by_level.get(level)
        if value is None:
            continue
        axes.barh(place, value, 0.7, color=look.colour)
        ratio = f" ({value / by_level[base]:.2f} x)" if base in by_level else ""
        axes.annotate(
            f"{value:.{0 if value >= _MANY else 2}f}{ratio}",
            (value, place),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            color=GREY,
        )
    axes.set_yticks(
        range(len(selection.levels)), [level_label(selection.by, one) for one in selection.levels]
    )
    axes.set_ylim(len(selection.levels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.35)
    axes.set_xlim(left=0)
