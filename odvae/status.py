"""The command that shows how sweeps stand.

python -m odvae.status
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from odvae.compose import Parser, exit_code
from odvae.errors import UserError
from odvae.experiment.abandoned import close_abandoned
from odvae.experiment.sweep_grid import line, print_sweep
from odvae.experiment.sweep_state import Sweeps, SweepState
from odvae.tracking import LoggedRun, Store


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    output_dir: Path
    sweep: str | None
    all: bool
    mend: bool
    json: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Show sweeps; returns the exit code: 2 for a user's mistake. Failed jobs are none."""
    return exit_code(lambda: _show(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae status",
        description="Show how the jobs of the latest sweep stand: finished, running, failed, "
        "killed, stale (the store says running, its process has died) or missing; earlier sweeps "
        "get a line each. The sweep's own command runs what is not finished.",
    )
    add = parser.add_argument
    add("--output-dir", type=Path, default=Path("outputs"), help="where the runs are (outputs)")
    add("--sweep", metavar="NAME_OR_ID", help="only those of this name, or part of it, or id")
    add("--all", action="store_true", help="every sweep in full")
    add("--mend", action="store_true", help="mark stale runs as killed in the store")
    add("--json", action="store_true", help="for scripts")
    asked = parser.parse_args(argv)
    return _Asked(asked.output_dir, asked.sweep, asked.all, asked.mend, asked.json)


def _show(asked: _Asked) -> None:
    console = Console()
    output = asked.output_dir.expanduser().absolute()
    if not (output / "mlflow.db").is_file():  # looking makes no store
        _print([], asked, console)
        return
    store = Store.open(output)
    mended = close_abandoned(store, output) if asked.mend else []
    sweeps = Sweeps(store, output)
    _print([sweeps.look(run) for run in _chosen(sweeps.runs(), asked.sweep)], asked, console)
    if mended and not asked.json:
        console.print(f"{len(mended)} stale marked as killed", highlight=False)


def _chosen(runs: list[LoggedRun], wanted: str | None) -> list[LoggedRun]:
    if wanted is None:
        return runs
    found = [run for run in runs if run.run_id.startswith(wanted) or wanted in run.name]
    if not found:
        names = "; ".join(f"{run.run_id[:8]} {run.name}" for run in runs) or "none"
        raise UserError(f"--sweep: no sweep is called {wanted!r}; there are: {names}")
    return found


def _print(sweeps: Sequence[SweepState], asked: _Asked, console: Console) -> None:
    if asked.json:
        print(json.dumps([_plain(sweep) for sweep in sweeps], indent=1))
        return
    if not sweeps:
        told = f"{asked.output_dir}: there are no sweeps yet; start one: "
        console.print(Text(f"{told}python -m odvae.run -m variant=1,2,3,4"), soft_wrap=True)
    in_full = len(sweeps) if asked.all or asked.sweep is not None else 1
    for sweep in sweeps[:in_full]:
        print_sweep(sweep, console)
        console.print()
    if rest := sweeps[in_full:]:
        console.print(f"{len(rest)} earlier (--all shows them in full):", highlight=False)
    for sweep in rest:
        console.print(Text(f"{sweep.state.value}  {line(sweep)}"), soft_wrap=True)


def _plain(sweep: SweepState) -> dict[str, object]:
    return {
        "id": sweep.run.run_id,
        "name": sweep.run.name,
        "started": sweep.run.started.isoformat(),
        "state": sweep.state.value,
        "jobs": [
            {
                "name": each.job.name,
                "overrides": list(each.job.overrides),
                "state": each.state.value,
                "detail": each.detail,
                "run_id": each.run_id,
                "log": str(each.log),
            }
            for each in sweep.jobs
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
