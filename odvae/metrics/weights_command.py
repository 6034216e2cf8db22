"""Command line for published weights: list what is here, fetch what is missing."""

import argparse
import sys
from collections.abc import Sequence

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.weights_table import TABLE


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``list`` (the default) or ``fetch NAME...``; the exit code is 2 when a fetch fails."""
    parser = argparse.ArgumentParser(prog="odvae weights", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="show which weights are here, and how to get the others")
    fetch = commands.add_parser("fetch", help="download weights and check their sha256")
    fetch.add_argument("names", nargs="+", metavar="NAME", help=", ".join(TABLE))
    arguments = parser.parse_args(argv)
    if arguments.command != "fetch":
        print_list()
        return 0
    try:
        for name in arguments.names:
            print(f"{name}: {weights.fetch(name)}")
    except UserError as error:
        print(f"odvae: {error}", file=sys.stderr)
        return 2
    return 0


def print_list() -> None:
    """Print one line for each row of weights, and one for each file that was refused."""
    for row in weights.status():
        state = "present" if row.path else "missing"
        size = f"{row.size_bytes / 2**20:6.1f} MiB" if row.size_bytes else " " * 10
        print(f"{row.name:<11} {state}  {size}  for {row.used_for:<19} {row.path or row.how}")
        for reason in row.refused:
            print(f"{'':<11} {reason}")
