"""Generation from the latents of each method, beside the paper's (its Table 2)."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib import style

from analysis import page, seeds, table_picture
from analysis.runs import Runs
from analysis.selection import Selection, choose
from analysis.tables import MISSING, PAPER_NOTE, Column, Table, number
from odvae.paper import paper_rows

METRICS = {
    "fvd": ("FVD ↓", 2),
    "kvd": ("KVD ↓", 2),
    "is": ("IS ↑", 2),
    "train_memory": ("training memory (MB)", 0),
    "train_speed": ("training (it/s)", 2),
}
"""By their names in the paper's table and, after ``generation/``, in a run: title, digits."""

_SCORE = "generation/fvd"
_NOTHING = (
    "Measured: no runs yet. None logged generation/fvd and its like; odvae trains no generator of "
    "videos."
)


def select(runs: Runs, *, only: Mapping[str, str] | None = None) -> Selection | None:
    """Methods on whose latents a generator was trained; None: there are no such runs."""
    if _SCORE not in runs.table:
        return None
    scored = runs.table.dropna(subset=[_SCORE])
    return choose(Runs(runs.store, scored), by="model", only=only, least_levels=1)


@style.context(page.STYLE)
def draw(selection: Selection | None, *, name: str, folder: str | Path) -> Path:
    """The tables as a picture and as texts; without runs, the paper's alone."""
    table = numbers(selection)
    texts = as_texts(table)
    figure = table_picture.picture(texts)
    above = [] if selection is None else [page.describe(selection)]
    title = "Generation, by method (Table 2)" + (": the paper's alone" if selection is None else "")
    page.captions(figure, title, above=above, below=texts[-1].note)
    return page.save(figure, table, source="", name=name, folder=folder, texts=texts)


def numbers(selection: Selection | None) -> pd.DataFrame:
    """Every number, a row each: columns source, method, dataset, metric, seeds, mean, low, high."""
    rows = [
        {"method": row.method, "dataset": row.dataset, "metric": row.metric, "mean": row.value}
        for row in paper_rows(table=2)
    ]
    papers = pd.DataFrame(rows).assign(source="paper")
    columns = ["source", "method", "dataset", "metric", "seeds", "mean", "low", "high"]
    if selection is None:
        return papers.reindex(columns=columns)
    measured = [
        seeds.summary(selection.last(f"generation/{metric}"), ["level"]).assign(metric=metric)
        for metric in METRICS
    ]
    ours = pd.concat(measured).rename(columns={"level": "method"})
    ours = ours.assign(source="measured", dataset=selection.setting["data"])
    return pd.concat([ours, papers]).reindex(columns=columns)


def as_texts(table: pd.DataFrame) -> list[Table]:
    """The rows of ``numbers`` as tables of texts: ours, if there are any, then the paper's."""
    ours = table[table["source"] == "measured"]
    caption = "The paper's Table 2 (arXiv 2409.01199v2), on its own data and protocol."
    papers = _table(table[table["source"] == "paper"], caption=caption, note=_note(table))
    return (
        [_table(ours, caption="Generation by method, measured.", note=""), papers]
        if len(ours)
        else [papers]
    )


def _table(rows: pd.DataFrame, *, caption: str, note: str) -> Table:
    keys = list(dict.fromkeys(zip(rows["dataset"], rows["metric"], strict=True)))
    cells = {
        (row["method"], row["dataset"], row["metric"]): number(
            row["mean"], METRICS[row["metric"]][1], half=(row["high"] - row["low"]) / 2
        )
        for row in rows.to_dict("records")
    }
    return Table(
        caption=caption,
        columns=(Column("method"), *(Column(METRICS[metric][0], data) for data, metric in keys)),
        rows=tuple(
            (method, *(cells.get((method, *key), MISSING) for key in keys))
            for method in rows["method"].unique()
        ),
        note=note,
    )


def _note(table: pd.DataFrame) -> str:
    found = (table["source"] == "measured").any()
    return PAPER_NOTE if found else f"{_NOTHING} {PAPER_NOTE}"
