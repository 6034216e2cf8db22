"""What each variant costs (the paper's table 3)."""

from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.figure import Figure

from analysis import page
from analysis.selection import Selection

_MEASURED = {
    "parameters_millions": "parameters\n(M)",
    "encode_clips_per_s": "encode\n(clips/s)",
    "decode_clips_per_s": "decode\n(clips/s)",
    "train_steps_per_s": "training\n(steps/s)",
    "peak_memory_mb": "peak memory\n(MB)",
}
_RELATIVE = {"encode_relative_to_1": "encode,\nvariant 1 = 1"}
_PAPER = {
    "paper_encodes_per_s": "encode\n(clips/s)",
    "paper_encode_relative_to_1": "encode,\nvariant 1 = 1",
}
_WHOLE = ("peak_memory_mb",)  # shown without decimals

PAPER_ENCODES_PER_S = {"1": 2.15, "2": 2.44, "3": 4.13, "4": 4.13}
"""Table 3 of the paper: clips of 81x256x256 a second on one A100, at width 128."""


def cost_table(selection: Selection) -> pd.DataFrame:
    """A row a variant: means over seeds of what was measured, then the paper's encode speed."""
    levels = selection.levels
    table = pd.DataFrame({"variant": levels})
    for name in _MEASURED:
        means = selection.last(f"cost/{name}").groupby("level")["value"].mean()
        table[name] = means.reindex(levels).to_numpy()
    table["encode_relative_to_1"] = _relative(table["encode_clips_per_s"], levels)
    table["paper_encodes_per_s"] = [PAPER_ENCODES_PER_S.get(level) for level in levels]
    table["paper_encode_relative_to_1"] = table["paper_encodes_per_s"] / PAPER_ENCODES_PER_S["1"]
    return table


@style.context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """The table as a figure."""
    table = cost_table(selection)
    heads = {"variant": "variant", **_MEASURED, **_RELATIVE, **_PAPER}
    rows, columns = len(table), len(heads)
    figure = Figure(figsize=(page.WIDTH_IN, 0.8 + 0.2 * rows), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.4, -3.2))
    for column, (key, head) in enumerate(heads.items()):
        axes.text(column, -0.65, head, ha="center", va="bottom")
        for row, value in enumerate(table[key]):
            axes.text(column, row, _cell(key, value), ha="center", va="center")
    first_of_paper = columns - len(_PAPER)
    for head, first, last in (
        ("measured", 1, first_of_paper - 1),
        ("paper, table 3", first_of_paper, columns - 1),
    ):
        axes.text((first + last) / 2, -2.3, head, ha="center", va="bottom")
        axes.hlines(-2.2, first - 0.45, last + 0.45, color="black", linewidth=0.5)
    for y, width in ((-3.2, 1.0), (-0.5, 0.6), (rows - 0.45, 1.0)):
        axes.axhline(y, color="black", linewidth=width, clip_on=False)
    note = (
        "Means over seeds. The paper's clips are 81x256x256, its width 128, its GPU "
        "an A100: compare the ratios, not the speeds."
    )
    page.heading(figure, "Cost by variant", selection, note=note)
    return page.save(figure, table, name=name, folder=folder)


def _relative(values: "pd.Series[float]", levels: list[str]) -> list[float]:
    first = values.iloc[levels.index("1")] if "1" in levels else float("nan")
    return [value / first for value in values]


def _cell(key: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "-"
    return f"{value:,.0f}" if key in _WHOLE else f"{value:,.2f}"
