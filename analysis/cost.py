"""What each variant costs, measured while training (the paper's Table 3)."""

from pathlib import Path

import pandas as pd
from matplotlib import style

from analysis import page, table_picture
from analysis.selection import Selection
from analysis.tables import Column, Table, number
from odvae.paper import paper_rows

_PAPER = {"encode_speed": "paper_encodes_per_s", "train_speed": "paper_train_steps_per_s"}
_COLUMNS = {
    "parameters_millions": (Column("parameters (M)", "measured"), 2),
    "encode_clips_per_s": (Column("encode (clips/s)", "measured"), 2),
    "encode_relative_to_1": (Column("variant 1 = 1", "measured"), 2),
    "decode_clips_per_s": (Column("decode (clips/s)", "measured"), 2),
    "train_steps_per_s": (Column("training (steps/s)", "measured"), 2),
    "peak_memory_mb": (Column("peak memory (MB)", "measured"), 0),
    "paper_encodes_per_s": (Column("encode (clips/s)", "the paper's Table 3"), 2),
    "paper_encode_relative_to_1": (Column("variant 1 = 1", "the paper's Table 3"), 2),
    "paper_train_steps_per_s": (Column("generator's training (it/s)", "the paper's Table 3"), 2),
}
"""Columns of numbers, in order, with their digits."""

_MEASURED = (
    *("parameters_millions", "encode_clips_per_s", "decode_clips_per_s"),
    *("train_steps_per_s", "peak_memory_mb"),
)
_RELATIVE = {
    "encode_relative_to_1": "encode_clips_per_s",
    "paper_encode_relative_to_1": "paper_encodes_per_s",
}
_NOTE = (
    "Means over seeds. The paper's (its Table 3): encoding clips of 81x256x256, and training a "
    "generator of videos on the latents, on one A100 at width 128. Compare orders and ratios, not "
    "speeds."
)


def cost_table(selection: Selection) -> pd.DataFrame:
    """A row a variant: means over seeds of what was measured, then the paper's speeds."""
    levels = selection.levels
    table = pd.DataFrame({"variant": levels})
    for name in _MEASURED:
        means = selection.last(f"cost/{name}").groupby("level")["value"].mean()
        table[name] = means.reindex(levels).to_numpy()
    papers = {(row.method, row.metric): row.value for row in paper_rows(table=3)}
    for metric, name in _PAPER.items():
        values = [papers.get((f"variant {level}", metric)) for level in levels]
        table[name] = pd.Series(values, dtype=float)
    for relative, name in _RELATIVE.items():
        first = table[name].iloc[levels.index("1")] if "1" in levels else float("nan")
        table[relative] = table[name] / first
    return table[["variant", *_COLUMNS]]


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """The table as a picture and as texts."""
    numbers = cost_table(selection)
    text = as_text(numbers)
    figure = table_picture.picture([text])
    page.heading(figure, "Cost by variant (Table 3)", selection, note=_NOTE)
    source = selection.source
    return page.save(figure, numbers, source=source, name=name, folder=folder, texts=[text])


def as_text(numbers: pd.DataFrame) -> Table:
    """The numbers of ``cost_table`` as a table of texts."""
    digits = {name: places for name, (_, places) in _COLUMNS.items()}
    return Table(
        caption="Cost by variant, measured while training",
        columns=(Column("variant"), *(column for column, _ in _COLUMNS.values())),
        rows=tuple(
            (row["variant"], *(number(row[name], digits[name]) for name in _COLUMNS))
            for row in numbers.to_dict("records")
        ),
        note=_NOTE,
    )
