"""What a run's page says of it, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from odvae.experiment.table import Summary

_MOST_CHARACTERS = 5000  # of tables; the store cuts a note at 6000
_GAP = "&nbsp;&nbsp;"  # the page sets columns without one, and keeps no alignment


def sweep_note(
    headings: Sequence[str], tables: Mapping[str, Summary], pictures: Sequence[str]
) -> str:
    """The note of a sweep: what its numbers are, its tables, its plots.

    Args:
        headings: a line a protocol.
        tables: by the names of their files; rows beyond 5000 characters are left to those.
        pictures: Markdown that shows them.
    """
    parts = [heading for heading in headings if heading]
    room = _MOST_CHARACTERS
    for name, table in tables.items():
        parts.append(markdown(table, name=name, most_characters=room))
        room = max(0, room - len(parts[-1]))
    return "\n\n".join([*parts, *pictures])


def markdown(table: Summary, *, name: str, most_characters: int) -> str:
    """A table in Markdown; when it is longer, its first rows and where to find the others."""
    lines = [_row(map(_title, table.columns)), "|" + "---|" * len(table.columns)]
    length = sum(map(len, lines))
    for row in table.rows:
        line = _row(row)
        length += len(line) + 1
        if length > most_characters:
            lines.append(f"\nAll rows: {name}.csv, under Artifacts.")
            break
        lines.append(line)
    return "\n".join(lines)


def _title(column: str) -> str:
    return column.replace("_", " ")  # then it wraps


def _row(cells: Iterable[str]) -> str:
    first, *others = (cell.replace("|", "\\|") for cell in cells)
    return " | ".join([f"| {first}", *(cell and _GAP + cell for cell in others)]) + " |"
