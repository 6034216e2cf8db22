"""The command that says what could keep a run from working here, and what to do about it.

python -m odvae.doctor
python -m odvae.doctor preset=paper data=folder data.path=videos output_dir=/data/outputs
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from odvae.compose import Parser, compose_run, interruptible_exit_code
from odvae.experiment.diagnosis.checks import examine
from odvae.experiment.diagnosis.finding import Finding, State

_MARKS = {State.ok: "✓", State.warning: "!", State.problem: "✗"}
_PLAIN_MARKS = {State.ok: "+", State.warning: "!", State.problem: "x"}
_STYLES = {State.ok: "green", State.warning: "yellow", State.problem: "bold red"}
_SUBJECT_CHARS = 13


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    words: list[str]  # field=value, as odvae.run takes them
    as_json: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 1 if there is a problem, 2 for a user's mistake."""
    findings: list[Finding] = []
    code = interruptible_exit_code(
        lambda: _show(_parse(argv), findings), left="nothing was changed"
    )
    return code or int(any(finding.state is State.problem for finding in findings))


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae doctor",
        description="Look at versions, hardware, space, weights, store, data and speed, as far as "
        "a run needs them, and say what to do about each problem. Nothing is downloaded.",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FIELD=VALUE",
        help="fields of the run: data=folder data.path=..., preset=paper, output_dir=...",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    given = parser.parse_intermixed_args(argv)
    return _Asked(words=given.words, as_json=given.json)


def _show(asked: _Asked, findings: list[Finding]) -> None:
    """Print each finding as soon as there is one, and fill the list."""
    config = compose_run(asked.words)
    console = Console()
    for finding in examine(config):
        findings.append(finding)
        if not asked.as_json:
            console.print(_line(finding, console.encoding))
    if asked.as_json:
        print(json.dumps([_plain(finding) for finding in findings], indent=1))
    else:
        console.print(_counted(findings))


def _line(finding: Finding, encoding: str) -> Table:
    """One finding, the remedy below what is said."""
    marks = _MARKS if encoding.lower().startswith("utf") else _PLAIN_MARKS
    line = Table.grid(padding=(0, 1))
    line.add_column(width=1)
    line.add_column(width=_SUBJECT_CHARS)
    line.add_column(overflow="fold")
    style = _STYLES[finding.state]
    line.add_row(
        Text(marks[finding.state], style=style),
        finding.subject,
        Text(_printable(finding.said, encoding)),
    )
    if finding.remedy:
        remedy = Text(_printable(f"-> {finding.remedy}", encoding), style=style)
        line.add_row("", "", remedy)
    return line


def _printable(text: str, encoding: str) -> str:
    """Names of files may hold what a terminal cannot show."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _plain(finding: Finding) -> dict[str, str]:
    fields = asdict(finding) | {"state": finding.state.value}
    return {name: _printable(value, "utf-8") for name, value in fields.items()}


def _counted(findings: Sequence[Finding]) -> str:
    count = Counter(finding.state for finding in findings)
    problems, warnings = count[State.problem], count[State.warning]
    return (
        f"{problems} problem{'' if problems == 1 else 's'}, "
        f"{warnings} warning{'' if warnings == 1 else 's'}, {count[State.ok]} fine"
    )


if __name__ == "__main__":
    sys.exit(main())
