"""The numbers that the paper reports, as data: arXiv 2409.01199v2, tables 1 to 4."""

import csv
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "assets" / "paper_tables.csv"


@dataclass(frozen=True)
class PaperNumber:
    """One cell of a table: its row and columns, what it counts and in which unit."""

    method: str  # as the paper calls it
    dataset: str  # with the size of the clips where the paper says it; empty: of the model itself
    metric: str
    value: float
    unit: str  # empty for pure numbers


def paper_rows(table: int) -> list[PaperNumber]:
    """Every number of one of the paper's tables, in the order of the table.

    Args:
        table: 1 reconstruction, 2 generation, 3 speed of the variants, 4 tiling.

    Raises:
        ValueError: the paper has no such table of numbers.
    """
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = [_number(row) for row in csv.DictReader(file) if row["table"] == str(table)]
    if not rows:
        raise ValueError(f"table must be 1, 2, 3 or 4, got {table}")
    return rows


def _number(row: dict[str, str]) -> PaperNumber:
    return PaperNumber(
        method=row["method"],
        dataset=row["dataset"],
        metric=row["metric"],
        value=float(row["value"]),
        unit=row["unit"],
    )
