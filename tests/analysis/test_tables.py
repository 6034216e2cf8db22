"""Tables say the same as Markdown and as LaTeX, whatever is written in their cells."""

import re
from pathlib import Path

import pytest

from analysis.tables import Column, Table, latex, markdown, number, write

NASTY = r"a_b & 50 % of $x$ {y} #1 ~ ^ \ <5> | 1 ± 2 ≥ ↑"
TABLE = Table(
    caption="What 100 % of_it is.",
    columns=(Column("method"), Column("PSNR", "clips_1"), Column("SSIM", "clips_1"), Column("n")),
    rows=((NASTY, "31.16 ± 0.02", "-", "3"), ("plain", "-1.0", "0.5", "12")),
    note="A note & more.",
)


def test_markdown_has_a_line_a_row() -> None:
    lines = markdown([TABLE], source="recorded runs of x").splitlines()
    assert lines[0] == TABLE.caption
    assert lines[2:4] == [
        "| method | clips_1: PSNR | clips_1: SSIM | n |",
        "| --- | ---: | ---: | ---: |",
    ]
    assert lines[5] == "| plain | -1.0 | 0.5 | 12 |"
    assert r"<5> \| 1" in lines[4]
    assert lines[-1] == "From recorded runs of x."


def test_latex_is_balanced_and_keeps_its_columns() -> None:
    text = latex([TABLE, TABLE], source="recorded runs of x")
    assert text.startswith("% \\usepackage{booktabs}; from recorded runs of x\n")
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    depth = 0
    for sign in plain:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    begun = re.findall(r"\\begin\{(\w+)\}", text)
    assert (
        sorted(begun)
        == sorted(re.findall(r"\\end\{(\w+)\}", text))
        == sorted(["table", "tabular"] * 2)
    )
    assert text.count(r"\begin{tabular}{lrrr}") == 2
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert [_columns(row) for row in rows] == [4] * 8
    assert text.count("$") % 2 == 0


def _columns(row: str) -> int:
    """How many columns a row of LaTeX fills."""
    cells = re.split(r"(?<!\\)&", row)
    wide = re.findall(r"\\multicolumn\{(\d+)\}", row)
    return len(cells) + sum(int(count) - 1 for count in wide)


def test_every_special_sign_is_escaped() -> None:
    text = latex([TABLE])
    cells = next(line for line in text.splitlines() if line.startswith(r"a\_b"))
    assert (
        r"\& 50 \% of \$x\$ \{y\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}"
        in cells
    )
    assert r"$<$5$>$ $|$ 1 $\pm$ 2 $\geq$ $\uparrow$" in cells


def test_headings_span_their_columns() -> None:
    text = latex([TABLE])
    assert r" & \multicolumn{2}{c}{clips\_1} &  \\" in text
    assert r"\cmidrule(lr){2-3}" in text


def test_a_table_without_rows_or_groups() -> None:
    table = Table("Nothing.", (Column("a"), Column("b")), ())
    assert "\\midrule\n\\bottomrule" in latex([table])
    assert "multicolumn" not in latex([table])


def test_a_row_has_one_cell_a_column() -> None:
    with pytest.raises(ValueError, match="must have 2 cells"):
        Table("", (Column("a"), Column("b")), (("1",),))


def test_numbers_have_their_interval() -> None:
    assert number(1.234, 2) == "1.23"
    assert number(1.234, 1, half=0.05) == "1.2 ± 0.1"
    assert number(None, 1) == number(float("nan"), 1) == "-"


def test_both_files_say_where_the_runs_are_from(tmp_path: Path) -> None:
    write([TABLE], tmp_path / "five.one", source="recorded runs of y")
    assert {file.name for file in tmp_path.iterdir()} == {"five.one.md", "five.one.tex"}
    assert all("recorded runs of y" in file.read_text() for file in tmp_path.iterdir())
