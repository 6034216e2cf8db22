"""The paper's figure 4: quality over training, by variant (a-c) and by initialisation (d-f)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from analysis import curves, generated, page
from analysis.looks import (
    FACTORS,
    metric_label,
    perceptual_metric,
    sample_distance_label,
    sample_distances,
)
from analysis.runs import NoRuns, Runs
from analysis.selection import COMMANDS, Selection, choose

By = Literal["variant", "init"]

_LETTERS: Mapping[By, str] = {"variant": "abc", "init": "def"}
_ROW_IN = 2.35
_NO_PERCEPTUAL = "no runs yet: none logged LPIPS (odvae weights tells how to get its weights)"
_ORDERS = (
    "The paper states orders, no numbers, on its data and protocol: PSNR and LPIPS of variant 1 at "
    "least those of 4, these better than those of 2 and 3; FVD of generated videos similar for all "
    "four; tail clearly better than inflate (its average) and random."
)
_DEFICIENT = "Rank-deficient: no more clips than features, so compare as many clips only."


@dataclass(frozen=True)
class Row:
    """Comparable runs for a row of panels; None where there are none."""

    trained: Selection | None
    generated: Selection | None

    @property
    def distance(self) -> str | None:
        """The first distance of generated videos, by its name; FVD is one of I3D's features."""
        metrics = [] if self.generated is None else self.generated.metrics
        return next(iter(sample_distances(metrics)), None)

    @property
    def mark(self) -> str:
        """What the distance has to be read with, in words; empty where nothing."""
        if self.generated is None or self.distance is None:
            return ""
        return self.generated.mark(self.distance)

    @property
    def selections(self) -> list[Selection]:
        """Those that there are."""
        return [one for one in (self.trained, self.generated) if one is not None]


def select(
    runs: Runs, generations: Runs, *, only: Mapping[str, str] | None = None
) -> dict[By, Row]:
    """Comparable runs for each row of panels that there are any for.

    Args:
        runs: trainings, of whose reconstructions the first two panels are.
        generations: of whose samples the third one is.
        only: columns and the values they must have.

    Raises:
        NoRuns: there are for neither row.
    """
    rows: dict[By, Row] = {}
    reasons = []
    for by in _LETTERS:
        found = generated.choose(generations, by=[by], only=only, least_levels=2)
        try:
            trained = choose(runs, by=by, only=only)
        except NoRuns as reason:
            trained = None
            reasons.append(reason)
        if trained is not None or found:
            rows[by] = Row(trained, found[0] if found else None)
    if not rows:
        raise reasons[0]
    return rows


@style.context(page.STYLE)
def draw(rows: Mapping[By, Row], *, name: str, folder: str | Path) -> Path:
    """Six panels; one without runs says which command makes them."""
    figure = Figure(figsize=(page.WIDTH_IN, _ROW_IN * len(_LETTERS)), layout="constrained")
    parts = figure.subfigures(len(_LETTERS), 1, squeeze=False)[:, 0]
    tables = []
    for by, part in zip(_LETTERS, parts, strict=True):
        panels = list(part.subplots(1, 3, width_ratios=(1, 1, 0.8)))
        tables.append(_row(part, panels, rows.get(by, Row(None, None)), by=by))
    source = _source(rows)
    marked = [_DEFICIENT] if any(row.mark for row in rows.values()) else []
    note = " ".join([curves.NOTE, *marked, _ORDERS])
    page.captions(
        figure, "Quality over training (figure 4)", above=_shared(rows), below=note, source=source
    )
    return page.save(figure, pd.concat(tables), source=source, name=name, folder=folder)


def _source(rows: Mapping[By, Row]) -> str:
    """Where recorded runs are from, in words, and of which panels where not of all."""
    of_panels: dict[str, list[str]] = {}
    for by, row in rows.items():
        for one in row.selections:
            panels = _LETTERS[by][:2] if one is row.trained else _LETTERS[by][2]
            of_panels.setdefault(one.source, []).extend(panels)
    if len(of_panels) == 1:
        return next(iter(of_panels))
    return "; ".join(
        f"{source} (panels {', '.join(own)})" for source, own in of_panels.items() if source
    )


def _shared(rows: Mapping[By, Row]) -> list[str]:
    """What the runs of panels share, in words."""
    lines = []
    for by, row in rows.items():
        letters = _LETTERS[by]
        if row.trained is not None:
            lines.append(f"{letters[0]}, {letters[1]}: {page.describe(row.trained)}")
        if row.generated is not None:
            facts = generated.facts(row.generated)
            lines.append(f"{letters[2]}: {page.describe(row.generated)}. {facts}")
    return lines


def _row(part: SubFigure, panels: list[Axes], row: Row, *, by: By) -> pd.DataFrame:
    """Draw a row; returns its numbers."""
    histories = _reconstructed(panels[:2], row.trained, by=by) | _sampled(panels[2], row, by=by)
    for axes, letter in zip(panels, _LETTERS[by], strict=True):
        axes.set_title(f"{letter}  {axes.get_title(loc='left')}", loc="left")
    named = panels[0] if row.trained is not None else panels[2]
    part.legend(*named.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return curves.table(histories).assign(by=by) if histories else pd.DataFrame()


def _reconstructed(
    panels: list[Axes], trained: Selection | None, *, by: By
) -> dict[str, pd.DataFrame]:
    """Draw quality of reconstructions over training; returns what was drawn."""
    if trained is None:
        for axes, title in zip(panels, (metric_label("psnr_db"), "LPIPS ↓"), strict=True):
            page.say(axes, title, f"no runs by {FACTORS[by]} yet; make them: {COMMANDS[by]}")
        return {}
    histories = curves.evaluations(trained)
    metrics = ("psnr_db", perceptual_metric(trained.metrics))
    for axes, metric in zip(panels, metrics, strict=True):
        if metric is None:
            page.say(axes, "LPIPS ↓", _NO_PERCEPTUAL)
        else:
            curves.evaluation_panel(axes, trained, histories[metric], metric=metric)
    return histories


def _sampled(axes: Axes, row: Row, *, by: By) -> dict[str, pd.DataFrame]:
    """Draw the distance of generated videos over the generator's training."""
    if row.generated is None or row.distance is None:
        command = f"no generations by {FACTORS[by]} yet; make them: {generated.COMMANDS[by]}"
        page.say(axes, "generated videos", command)
        return {}
    values = row.generated.history(f"generation/{row.distance}")
    curves.lines(axes, row.generated, values)
    axes.set_xlim(left=0)
    axes.set_xlabel("generator's training steps")
    words = f"generated, {row.mark}" if row.mark else "generated"
    axes.set_title(f"{sample_distance_label(row.distance)}\n{words}", loc="left")
    return {row.distance: values}
