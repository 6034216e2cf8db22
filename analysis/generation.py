"""Generation from the latents of each method, beside the paper's (its Table 2)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import style

from analysis import generated, generation_table, page, table_picture
from analysis.runs import Runs
from analysis.selection import Selection


def select(generations: Runs, *, only: Mapping[str, str] | None = None) -> list[Selection]:
    """For each generation protocol the runs to show; empty: there are none."""
    return generated.choose(generations, only=only)


@style.context(page.STYLE)
def draw(selections: Sequence[Selection], *, name: str, folder: str | Path) -> Path:
    """A table for each protocol, as a picture and as texts; without runs, the paper's alone."""
    table = generation_table.numbers(selections)
    texts = generation_table.as_texts(table)
    figure = table_picture.picture(texts)
    above = [line for one in selections for line in (page.describe(one), generated.facts(one))]
    source = "; ".join(dict.fromkeys(one.source for one in selections if one.source))
    title = "Generation from the latents of each method (Table 2)"
    title += "" if selections else ": the paper's alone"
    page.captions(figure, title, above=above, below=texts[-1].note, source=source)
    return page.save(figure, table, source=source, name=name, folder=folder, texts=texts)
