"""Write the runs behind an experiment as files that stand in the repository.

``python -m analysis.record --by variant --to experiments/variants/results`` writes ``runs.csv``, a
row a run, and ``environment.json``, the machine and versions that the numbers come from.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.runs import load
from analysis.selection import COMMANDS, Factor, choose
from odvae.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        record(options.output_dir, by=options.by, to=options.to)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def record(output_dir: Path, *, by: Factor, to: Path) -> None:
    """Write the largest comparable set of runs that differ in ``by``. Raises UserError if none."""
    selection = choose(load(output_dir), by=by)
    table = selection.runs.table.drop(columns="started").dropna(axis="columns", how="all")
    table = table.sort_values(["model", "variant", "init", "seed", "cut"])
    environments = [
        json.loads(selection.runs.store.artifact(run_id, "environment.json").read_text())
        for run_id in table["run_id"]
    ]
    different = {json.dumps(e, sort_keys=True) for e in environments}
    if len(different) > 1:
        raise UserError(f"these runs come from {len(different)} machines or sets of versions")
    to.mkdir(parents=True, exist_ok=True)
    table.round(6).to_csv(to / "runs.csv", index=False)
    (to / "environment.json").write_text(json.dumps(environments[0], indent=1) + "\n")
    print(f"{len(table)} runs: {to / 'runs.csv'}, {to / 'environment.json'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis.record", description=__doc__)
    parser.add_argument("--output-dir", type=Path, default=Path("outputs"))
    parser.add_argument("--by", choices=list(COMMANDS), required=True)
    parser.add_argument("--to", type=Path, required=True, help="folder to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
