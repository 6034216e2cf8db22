"""Names of points, placed so that none lies over another, over a point or outside the panel."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
"""Left, bottom, right, top in pixels: (4,) of one box, (N, 4) of several."""

_SIZE_PT = 6.5
_POINT_PX, _SMALL_PX = 5.0, 2.0  # half the side of the square that a point takes
_NEAR_PT, _FAR_PT, _FARTHEST_PT = 5, 14, 26
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
_TRIED = tuple(
    (distance, *side) for distance in (_NEAR_PT, _FAR_PT, _FARTHEST_PT) for side in _SIDES
)
_POINTS_OF_A_LINE = 40
_ALIGN_X = {1: "left", 0: "center", -1: "right"}
_ALIGN_Y = {1: "bottom", 0: "center", -1: "top"}


def label_points(
    axes: Axes,
    names: Sequence[str],
    points: Sequence[tuple[float, float]],
    *,
    colours: Sequence[str],
    beside: Iterable[tuple[float, float]] = (),
    lines: Iterable[tuple[tuple[float, float], tuple[float, float]]] = (),
) -> None:
    """Name each point where there is room; one that has to stand away gets a line to its point.

    Call it when all else is drawn and the figure was laid out (``draw_without_rendering``), so that
    places on the page are known.

    Args:
        axes: the panel, whose limits stay as they are.
        names: of the points.
        points: (x, y) in the panel's data.
        colours: of the names.
        beside: other points, small ones, that no name should cover.
        lines: from one point to another, that no name should cover.
    """
    axes.set_autoscale_on(False)
    small = [*beside, *(point for line in lines for point in _along(*line))]
    taken = np.vstack([_squares(axes, points, _POINT_PX), _squares(axes, small, _SMALL_PX)])
    panel = np.array(axes.get_window_extent().extents)
    for name, point, colour in zip(names, points, colours, strict=True):
        text = axes.annotate(
            name,
            point,
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=_SIZE_PT,
            color=colour,
        )
        text.set_in_layout(False)
        taken = np.vstack([taken, _place(axes, text, taken, panel)])


def _place(axes: Axes, text: Annotation, taken: Boxes, panel: Boxes) -> Boxes:
    """Move a name to the first free place around its point, or else the best one; returns it."""
    best = min(_TRIED, key=lambda place: _badness(_moved(text, place), taken, panel))
    box = _moved(text, best)
    if best[0] > _NEAR_PT:
        axes.annotate(
            "",
            text.xy,
            xytext=text.get_position(),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": text.get_color()},
        ).set_in_layout(False)
    return box


def _moved(text: Annotation, place: tuple[int, int, int]) -> Boxes:
    distance, x, y = place
    text.set_position((x * distance, y * distance))
    text.set(ha=_ALIGN_X[x], va=_ALIGN_Y[y])
    return np.array(text.get_window_extent().extents)


def _badness(box: Boxes, taken: Boxes, panel: Boxes) -> float:
    """Area of what a name would cover and of what would stand outside the panel."""
    size = (box[2] - box[0]) * (box[3] - box[1])
    return float(size - _common(box, panel[None]) + _common(box, taken))


def _common(box: Boxes, others: Boxes) -> float:
    """Area that a box shares with others, (N, 4), all together."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(sides.clip(min=0).prod(axis=1).sum())


def _squares(axes: Axes, points: Sequence[tuple[float, float]], half_px: float) -> Boxes:
    middles = axes.transData.transform(np.reshape(points, (-1, 2)))
    squares: Boxes = np.hstack([middles - half_px, middles + half_px])
    return squares


def _along(start: tuple[float, float], end: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Points of a line."""
    for place in range(_POINTS_OF_A_LINE + 1):
        share = place / _POINTS_OF_A_LINE
        yield start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
