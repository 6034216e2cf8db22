"""Quality against cost: what none is both cheaper and better than."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import page, seeds
from analysis.labels import label_points
from analysis.looks import FACTORS, GREY, level_label, looks, metric_label
from analysis.runs import NoRuns
from analysis.selection import Selection

_QUALITY = "psnr_db"
_PANEL_IN = 2.5
_MARGIN = 0.16  # around the points, for their names


@dataclass(frozen=True)
class Cost:
    """What is paid: the label of its axis, and whether more of it is better."""

    label: str
    more_is_better: bool


COSTS: Mapping[str, Cost] = {
    "encode_clips_per_s": Cost("encoding (clips/s) →", more_is_better=True),
    "decode_clips_per_s": Cost("decoding (clips/s) →", more_is_better=True),
    "peak_memory_mb": Cost("← peak memory (MB)", more_is_better=False),
    "parameters_millions": Cost("← parameters (M)", more_is_better=False),
}


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """A panel a cost: a point a level, named, and the line of those that nothing beats.

    Raises NoRuns when no run has both a finite result and a cost.
    """
    tables = {cost: _both(selection, cost) for cost in COSTS}
    tables = {cost: both for cost, both in tables.items() if len(both)}
    if not tables:
        raise NoRuns("no chosen run has a finite result and its cost; start over with rerun=true")
    rows = -(-len(tables) // 2)
    figure = Figure(figsize=(page.WIDTH_IN, _PANEL_IN * rows), layout="constrained")
    panels = list(figure.subplots(rows, 2, squeeze=False, sharey=True).flat)
    for axes in panels[::2]:
        axes.set_ylabel(metric_label(_QUALITY))
    numbers = []
    for axes, (cost, both) in zip(panels, tables.items(), strict=False):
        means = _means(both, COSTS[cost])
        _panel(axes, selection, both, means, cost=COSTS[cost])
        numbers.append(means.assign(cost=cost))
    for axes in panels[len(tables) :]:
        axes.set_axis_off()
    figure.draw_without_rendering()
    for axes, (cost, both), means in zip(panels, tables.items(), numbers, strict=False):
        _name(axes, selection, both, means, cost=COSTS[cost])
    title = f"Quality against cost, by {FACTORS[selection.by]}"
    note = f"{seeds.NOTE} Grey line: nothing is both cheaper and better."
    page.heading(figure, title, selection, note=note)
    table = pd.concat(numbers)
    return page.save(figure, table, source=selection.source, name=name, folder=folder)


def front(
    cost: "pd.Series[float]", quality: "pd.Series[float]", *, more_is_better: bool
) -> list[int]:
    """Labels of the points that no other is both cheaper and better than, in order of ``cost``.

    Args:
        cost: what each point pays.
        quality: what it gets; more is better.
        more_is_better: whether the cheaper ones have more of ``cost``, as of a speed.
    """
    found: list[int] = []
    best = float("-inf")
    for label in map(int, cost.sort_values(ascending=not more_is_better).index):
        if quality[label] > best:
            best = quality[label]
            found.append(label)
    return found[::-1] if more_is_better else found


def _both(selection: Selection, cost: str) -> pd.DataFrame:
    """Columns level, seed, cost and quality: a row a run that has both."""
    quality = selection.last(f"eval/{_QUALITY}").rename(columns={"value": "quality"})
    paid = selection.last(f"cost/{cost}").rename(columns={"value": "cost"})
    return quality.assign(cost=paid["cost"]).dropna()


def _means(both: pd.DataFrame, cost: Cost) -> pd.DataFrame:
    """A row a level: the mean of its cost, its quality with an interval, whether it is in front."""
    table = seeds.summary(both.rename(columns={"quality": "value"}), ["level"])
    table = table.rename(columns={"mean": "psnr_db", "low": "psnr_db_low", "high": "psnr_db_high"})
    table["mean_cost"] = table["level"].map(both.groupby("level")["cost"].mean())
    best = front(table["mean_cost"], table["psnr_db"], more_is_better=cost.more_is_better)
    return table.assign(in_front=table.index.isin(best))


def _panel(
    axes: Axes, selection: Selection, both: pd.DataFrame, means: pd.DataFrame, *, cost: Cost
) -> None:
    x, y = _corners(means, cost)
    axes.plot(x, y, color=GREY, linewidth=0.8, zorder=1)
    for level, look in looks(selection.by, selection.levels).items():
        own, mean = both[both["level"] == level], means[means["level"] == level]
        axes.scatter(own["cost"], own["quality"], s=6, color=look.colour, alpha=0.6, linewidth=0)
        low, high = mean["psnr_db_low"], mean["psnr_db_high"]
        axes.vlines(mean["mean_cost"], low, high, color=look.colour, linewidth=1, alpha=0.7)
        axes.plot(mean["mean_cost"], mean["psnr_db"], look.marker, color=look.colour, markersize=5)
    axes.margins(_MARGIN)
    axes.set_xlabel(cost.label)


def _corners(means: pd.DataFrame, cost: Cost) -> tuple[list[float], list[float]]:
    """The line of the front: at a cost, the best quality that can be had for no more."""
    best = means[means["in_front"]].sort_values("mean_cost")
    points = list(zip(best["mean_cost"], best["psnr_db"], strict=True))
    corners = points[:1]
    for (x, y), (next_x, next_y) in pairwise(points):
        corners += [(x, next_y) if cost.more_is_better else (next_x, y), (next_x, next_y)]
    return [x for x, _ in corners], [y for _, y in corners]


def _name(
    axes: Axes, selection: Selection, both: pd.DataFrame, means: pd.DataFrame, *, cost: Cost
) -> None:
    x, low, high = (means[name] for name in ("mean_cost", "psnr_db_low", "psnr_db_high"))
    bars = [((a, b), (a, c)) for a, b, c in zip(x, low, high, strict=True) if pd.notna(b)]
    front_line = list(pairwise(zip(*_corners(means, cost), strict=True)))
    chosen = looks(selection.by, selection.levels)
    label_points(
        axes,
        [level_label(selection.by, level) for level in means["level"]],
        list(zip(means["mean_cost"], means["psnr_db"], strict=True)),
        colours=[chosen[level].colour for level in means["level"]],
        beside=zip(both["cost"], both["quality"], strict=True),
        lines=[*bars, *front_line],
    )
