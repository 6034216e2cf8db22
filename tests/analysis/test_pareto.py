"""The front holds what nothing beats, and names lie over nothing."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from analysis import Runs, choose, pareto
from analysis.comparable import Factor
from analysis.labels import label_points
from tests.sampling import first


def test_the_front_is_what_nothing_beats() -> None:
    pace = pd.Series([1.0, 2.0, 3.0, 2.5], index=[7, 5, 3, 1])
    quality = pd.Series([30.0, 20.0, 25.0, 28.0], index=[7, 5, 3, 1])
    assert pareto.front(pace, quality, more_is_better=True) == [7, 1, 3]
    assert pareto.front(-pace, quality, more_is_better=False) == [3, 1, 7]


def test_the_front_agrees_with_its_definition() -> None:
    numbers = np.random.default_rng(0).random((2, 40))
    cost, quality = pd.Series(numbers[0]), pd.Series(numbers[1])
    unbeaten = {i for i in range(40) if not ((cost < cost[i]) & (quality > quality[i])).any()}
    found = pareto.front(cost, quality, more_is_better=False)
    assert set(found) == unbeaten
    assert list(cost[found]) == sorted(cost[found])


@pytest.mark.parametrize("by", first(1, ["model", "variant"]))
def test_the_figure_names_every_level(
    runs: Runs, methods: Runs, tmp_path: Path, by: Factor
) -> None:
    selection = choose(runs if by == "variant" else methods, by=by)
    png = pareto.draw(selection, name="eleven", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv"), dtype={"level": str})
    assert set(table["cost"]) == set(pareto.COSTS)
    assert set(table["level"]) == set(selection.levels)
    if by == "variant":
        encode = table[table["cost"] == "encode_clips_per_s"].set_index("level")
        # Variant 3 is the fastest, 1 the best, 4 in between in both; 2 is worse and slower than 4.
        assert encode["in_front"].to_dict() == {"1": True, "2": False, "3": True, "4": True}
        assert encode.loc["3", "mean_cost"] == pytest.approx(24 * 1.02)


def test_names_cover_neither_points_nor_each_other() -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    points = [(0.5, 0.5), (0.52, 0.5), (0.5, 0.53), (0.99, 0.5), (0.01, 0.99)]
    axes.plot(*zip(*points, strict=True), "o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = [f"name of {place}" for place in range(len(points))]
    figure.draw_without_rendering()
    label_points(axes, names, points, colours=["black"] * len(points))
    texts = [one for one in axes.texts if isinstance(one, Annotation) and one.get_text()]
    assert [text.get_text() for text in texts] == names
    boxes = [text.get_window_extent() for text in texts]
    assert not any(some.overlaps(other) for some, other in combinations(boxes, 2))
    for x, y in axes.transData.transform(points):
        assert not any(box.contains(x, y) for box in boxes)
    panel = axes.get_window_extent()
    for box in boxes:
        assert panel.x0 <= box.x0 and box.x1 <= panel.x1
        assert panel.y0 <= box.y0 and box.y1 <= panel.y1
