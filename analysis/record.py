"""Write the runs behind an experiment as files that stand in the repository.

``python -m analysis.record --by variant --to experiments/variants/results`` writes ``runs.csv``, a
row a run, ``curves.csv``, what they logged over steps, and ``environment.json``, the machine and
versions that the numbers come from. Figures are drawn from these where an output folder holds no
runs of its own.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from analysis import generated, speed_table
from analysis.choices import pairs
from analysis.comparable import Factor
from analysis.recorded import CURVES, ENVIRONMENT, RUNS
from analysis.run_table import GENERATE, IN_WORDS
from analysis.runs import load, load_benchmarks, load_generations
from analysis.selection import choose
from odvae.errors import UserError
from odvae.tracking import Store

What = Factor | Literal["speed"]

_DRAWN = (
    *("eval/", "zero_step/", "tiling/", "latent/"),
    *("generation/loss", "generation/validation_loss"),
    *("generation/fvd", "generation/kvd", "generation/frechet"),
    *("train/logits_real", "train/logits_fake", "train/adaptive_weight"),
)
"""Metrics that figures draw over steps, positions or lags begin so."""

_DIGITS = "%.8g"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        record(options.output_dir, by=options.by, only=pairs(options.only), to=options.to)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def record(output_dir: Path, *, by: What, only: Mapping[str, str], to: Path) -> None:
    """Write the largest comparable set of runs.

    Args:
        output_dir: where runs are logged.
        by: what they differ in besides the seed; ``speed``: the benchmarks.
        only: columns and the values they must have; of ``task`` generate: the generations.
        to: folder to write; made if missing.

    Raises:
        UserError: there are none, or they come from several machines or sets of versions.
    """
    if by == "speed":
        table = speed_table.comparable(load_benchmarks(output_dir), only)
    elif only.get("task") == GENERATE:
        others = {name: value for name, value in only.items() if name != "task"}
        found = generated.largest(
            load_generations(output_dir), by=[generated.factor(by)], only=others
        )
        table = found.runs.table
    else:
        table = choose(load(output_dir), by=by, only=only).runs.table
    table = table.sort_values(["model", "variant", "init", "operators", "seed", "cut"])
    store = Store.open_to_read(output_dir)
    environment = _environment(store, list(table["run_id"]))
    to.mkdir(parents=True, exist_ok=True)
    runs = table.drop(columns=["recorded_in", *IN_WORDS]).dropna(axis="columns", how="all")
    runs = runs.loc[:, (runs != "").any()]
    runs.to_csv(to / RUNS, index=False, float_format=_DIGITS)
    curves = _curves(store, table)
    curves.to_csv(to / CURVES, index=False, float_format=_DIGITS)
    (to / ENVIRONMENT).write_text(json.dumps(environment, indent=1) + "\n")
    print(f"{len(table)} runs: {', '.join(str(to / name) for name in (RUNS, CURVES, ENVIRONMENT))}")


def _environment(store: Store, run_ids: Sequence[str]) -> object:
    """The machine and versions of all these runs: of packages, those that all of them had.

    What was installed beside the runs while they went on is nothing that they used.
    """
    environments = [
        json.loads(store.artifact(run_id, ENVIRONMENT).read_text()) for run_id in run_ids
    ]
    packages = [one.get("packages", {}) for one in environments]
    common = sorted(set.intersection(*map(set, packages)))
    for one, known in zip(environments, packages, strict=True):
        one["packages"] = {name: known[name] for name in common}
    different = {json.dumps(one, sort_keys=True) for one in environments}
    if len(different) > 1:
        raise UserError(f"these runs come from {len(different)} machines or sets of versions")
    return environments[0]


def _curves(store: Store, table: pd.DataFrame) -> pd.DataFrame:
    """Columns run_id, metric, step, value, of the metrics that figures draw."""
    metrics = [str(name) for name in table if str(name).startswith(_DRAWN)]
    rows = [
        (run["run_id"], metric, step, value)
        for run in table.to_dict("records")
        for metric in metrics
        for step, value in store.history(run["run_id"], metric)
    ]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis.record", description=__doc__)
    parser.add_argument("--output-dir", type=Path, default=Path("outputs"))
    parser.add_argument("--by", choices=[*get_args(Factor), "speed"], required=True)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="record these runs, for instance data=folder, or task=generate: the generations; "
        "otherwise the largest comparable set",
    )
    parser.add_argument("--to", type=Path, required=True, help="folder to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
