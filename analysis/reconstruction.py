"""Reconstruction by method, beside the paper's (its Table 1)."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import method_table, page, seeds
from analysis.looks import BLACK, GREY, VERMILION, metric_label
from analysis.runs import NoRuns
from analysis.selection import Selection

_SHOWN_REFERENCES = ("image_vae", "reference/bicubic_8x")  # a mean colour lies too far off
_ROW_IN = 0.2
_SEEDS_BELOW = 0.25  # of a row
_PAPER_MARKERS = ("o", "s")  # of the two data sets


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """PSNR by method: ours on the left, the paper's on the right; all scores as texts.

    Raises NoRuns when all results are NaN.
    """
    table = method_table.numbers(selection)
    psnr = table[table["metric"] == "psnr_db"]
    if psnr[psnr["source"] == "measured"].empty:
        raise NoRuns("no chosen run has a finite result; start over with rerun=true")
    ours, papers = _groups(table)
    rows = max(_count(ours), _count(papers) + len(_PAPER_MARKERS))  # their legend needs room
    figure = Figure(figsize=(page.WIDTH_IN, 0.7 + _ROW_IN * rows), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for axes in (left, right):
        axes.set_ylim(rows - 0.5, -0.5)
    _measured(left, _lay_out(left, ours), psnr[psnr["source"] != "paper"], selection)
    _papers(right, _lay_out(right, papers), psnr[psnr["source"] == "paper"])
    note = " ".join([seeds.NOTE, *method_table.notes(table)])
    page.heading(figure, "Reconstruction, by method (Table 1)", selection, note=note)
    texts, source = method_table.as_texts(table), selection.source
    return page.save(figure, table, source=source, name=name, folder=folder, texts=texts)


def _groups(table: pd.DataFrame) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Names of our rows and of the paper's, below the headings they stand under."""
    ours = method_table.by_vcpr(table[table["source"] == "measured"])
    references = set(table.loc[table["source"] == "reference", "method"])
    names = [method_table.LEVELS_TO_BEAT[prefix] for prefix in _SHOWN_REFERENCES]
    shown = [name for name in names if name in references]
    if shown:
        ours["references"] = shown
    return ours, method_table.by_vcpr(table[table["source"] == "paper"])


def _count(groups: dict[str, list[str]]) -> int:
    return sum(1 + len(names) for names in groups.values())


def _lay_out(axes: Axes, groups: dict[str, list[str]]) -> dict[str, int]:
    """Give every name and every heading a row of the panel; returns the names' rows."""
    labels: list[str] = []
    rows: dict[str, int] = {}
    for heading, names in groups.items():
        labels.append(heading)
        for name in names:
            rows[name] = len(labels)
            labels.append(name)
    axes.set_yticks(range(len(labels)), labels)
    for label, text in zip(axes.get_yticklabels(), labels, strict=True):
        label.set_fontweight("normal" if text in rows else "bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(metric_label("psnr_db"))
    return rows


def _measured(axes: Axes, rows: dict[str, int], psnr: pd.DataFrame, selection: Selection) -> None:
    points = selection.last("eval/psnr_db")
    for number in psnr[psnr["method"].isin(rows)].to_dict("records"):
        name = number["method"]
        y, colour = rows[name], _colour(name)
        if number["source"] == "reference":
            axes.plot(number["mean"], y, "|", color=GREY, markersize=8)
        else:
            own = points.loc[points["level"] == name, "value"]
            below = [y + _SEEDS_BELOW] * len(own)
            axes.scatter(own, below, s=5, color=colour, alpha=0.6, linewidth=0)
            axes.hlines(y, number["low"], number["high"], color=colour)
            axes.plot(number["mean"], y, "D", color=colour)
        text = method_table.cell(number, "psnr_db")
        axes.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    axes.set_title("measured", loc="left")


def _papers(axes: Axes, rows: dict[str, int], psnr: pd.DataFrame) -> None:
    datasets = psnr["dataset"].unique()
    for dataset, marker in zip(datasets, _PAPER_MARKERS, strict=True):
        values = psnr[psnr["dataset"] == dataset]
        colours = [_colour(name) for name in values["method"]]
        axes.scatter(
            values["mean"],
            values["method"].map(rows),
            s=14,
            marker=marker,
            facecolor=colours if marker == "o" else "none",
            edgecolor=colours,
            linewidth=0.8,
            label=dataset,
            zorder=3,
        )
    axes.legend(loc="lower left", handletextpad=0.1, borderpad=0)
    axes.set_title("in the paper's Table 1", loc="left")


def _colour(name: str) -> str:
    return VERMILION if name.startswith("OD-VAE") else BLACK
