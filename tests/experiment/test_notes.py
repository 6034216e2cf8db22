"""What the page says of a sweep."""

from odvae.experiment.notes import markdown, sweep_note
from odvae.experiment.table import Summary

TABLE = Summary(["run", "PSNR dB", "fvd_other"], [["variant 1", "21.14", ""], ["a|b", "1", "2"]])


def test_a_table_is_markdown() -> None:
    assert markdown(TABLE, name="summary", most_characters=1000).splitlines() == [
        "| run | &nbsp;&nbsp;PSNR dB | &nbsp;&nbsp;fvd other |",
        "|---|---|---|",
        "| variant 1 | &nbsp;&nbsp;21.14 |  |",
        "| a\\|b | &nbsp;&nbsp;1 | &nbsp;&nbsp;2 |",
    ]


def test_a_long_table_ends_with_where_the_rest_is() -> None:
    long = Summary(TABLE.columns, TABLE.rows * 500)
    note = sweep_note(["Protocol laptop 1234abcd: 33 frames", ""], {"summary": long}, ["![p](p)"])
    parts = note.split("\n\n")
    assert parts[0] == "Protocol laptop 1234abcd: 33 frames"
    assert parts[1].splitlines()[-1].endswith(" |")  # no row is cut
    assert parts[2:] == ["All rows: summary.csv, under Artifacts.", "![p](p)"]
    assert 4500 < len(note) < 6000
