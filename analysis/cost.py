"""What each variant costs (the paper's table 3)."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
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
_DERIVED = {
    "encode_relative_to_1": "encode speed,\nvariant 1 = 1",
    "paper_encodes_per_s": "paper: encode\n(clips/s)*",
    "paper_encode_relative_to_1": "paper: encode\nvariant 1 = 1",
}

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


@mpl.rc_context(page.STYLE)
def draw(selection: Selection, *, name: str, folder: str | Path) -> Path:
    """The table as a figure."""
    table = cost_table(selection)
    heads = {"variant": "variant", **_MEASURED, **_DERIVED}
    figure = Figure(figsize=(page.WIDTH_IN, 0.85 + 0.24 * len(table)), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    rows = len(table)
    axes.set(xlim=(-0.5, len(heads) - 0.5), ylim=(rows - 0.4, -1.6))
    for column, (key, head) in enumerate(heads.items()):
        axes.text(column, -0.62, head, ha="center", va="bottom", fontsize=7.5)
        for row, value in enumerate(table[key]):
            axes.text(column, row, _cell(value), ha="center", va="center")
    for y, width in ((-1.6, 1.0), (-0.5, 0.6), (rows - 0.45, 1.0)):
        axes.axhline(y, color="black", linewidth=width, clip_on=False)
    seeds = int(selection.last("cost/encode_clips_per_s").groupby("level").size().max())
    note = f"Means over up to {seeds} seeds. * Paper: table 3, 81x256x256 clips, A100, width 128."
    page.heading(figure, "Cost by variant", selection, note=note)
    return page.save(figure, table, name=name, folder=folder)


def _relative(values: pd.Series, levels: list[str]) -> pd.Series:
    if "1" not in levels:
        return values * float("nan")
    return values / values.iloc[levels.index("1")]


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.2f}"
