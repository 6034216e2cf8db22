"""The command: compose the configuration, then run it, or the sweep it asks for.

python -m odvae.run variant=4 init=tail
python -m odvae.run -m variant=1,2,3,4 init=tail seed=0,1,2
"""

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from hydra_plugins.odvae_sweeper import study_of
from odvae import config_files
from odvae.config import RunConfig, register, resolve
from odvae.config_errors import explain
from odvae.errors import UserError
from odvae.experiment import pipeline
from odvae.experiment.assembly import assist
from odvae.experiment.crew import crew
from odvae.experiment.dry_run import RunCost, estimate_run, print_costs
from odvae.experiment.launch import PARENT_RUN_VARIABLE
from odvae.experiment.launch_plan import Launcher, LaunchPlan
from odvae.experiment.progress import (
    STATUS_FILE_VARIABLE,
    StatusFile,
    TerminalProgress,
    end_with_parent,
)
from odvae.experiment.study.plan import CHOICE, StudyPlan
from odvae.experiment.sweep import JobsFailed, run_sweep, where
from odvae.experiment.tables import print_tables
from odvae.tracking import Store
from odvae.training.precision import resolve as resolve_arithmetic
from odvae.training.team import Team, TeamBroken
from odvae.training.video_recipe import lpips_at_hand

_MULTIRUN = ("-m", "--multirun")
_LAUNCHER = "hydra/launcher="
_DEBUG_VARIABLE = "ODVAE_DEBUG"  # stack traces instead of single lines


@dataclass(frozen=True)
class _Composed:
    """One job of the command line."""

    config: DictConfig
    overrides: list[str]
    in_sweep: bool
    plan: LaunchPlan  # of the sweep
    study: StudyPlan | None  # if the sweep is one
    chosen_study: str | None  # by study=NAME


def main() -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake, 1 for failed jobs."""
    end_with_parent()
    for ending in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # then runs are closed in the store, as by Ctrl-C
        signal.signal(ending, signal.default_int_handler)
    register()
    config_files.register_experiments()
    config_files.register_launchers()
    try:
        jobs = _compose()
        if jobs:  # none after --help and the like
            _run(jobs)
    except JobsFailed as failed:
        print(f"odvae: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("odvae: interrupted; the same command resumes", file=sys.stderr)
        return 130
    except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get(_DEBUG_VARIABLE, "") not in ("", "0"):
            raise
        if STATUS_FILE_VARIABLE in os.environ:  # into the job's log, for whoever looks closer
            traceback.print_exc()
        print(f"odvae: {explain(error)}", file=sys.stderr)
        return 2
    return 0


def _compose() -> list[_Composed]:
    """Let Hydra read the command line. Nothing runs in here: Hydra reports errors its own way."""
    jobs: list[_Composed] = []

    @hydra.main(version_base="1.3", config_path=str(config_files.conf()), config_name="run")
    def keep(config: DictConfig) -> None:
        settings = HydraConfig.get()
        # As typed: ${...} is for Hydra to fill in, in each job anew.
        overrides = OmegaConf.to_container(settings.overrides.task, resolve=False)
        assert isinstance(overrides, list)
        overrides = [str(override) for override in overrides]
        in_sweep = settings.mode is RunMode.MULTIRUN
        jobs.append(
            _Composed(
                config,
                overrides,
                in_sweep=in_sweep,
                plan=_plan(settings),
                study=study_of(settings, overrides) if in_sweep else None,
                chosen_study=settings.runtime.choices.get(CHOICE),
            )
        )

    for word in sys.argv[1:]:
        if word.startswith(_LAUNCHER):
            Launcher(word.removeprefix(_LAUNCHER))  # another one would run jobs by itself
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in _MULTIRUN)  # or argparse errs
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and we say it in one line
    with tempfile.TemporaryDirectory(prefix="odvae-") as scratch:
        os.environ["ODVAE_SCRATCH"] = scratch
        try:
            keep()
        except UserError:
            raise
        except ValueError as error:  # init=3 and other numbers where a name belongs
            raise UserError(f"{_typed()}: {error}") from error
    return jobs


def _plan(settings: HydraConf) -> LaunchPlan:
    """How a sweep's jobs are started: ``hydra/launcher=`` and the fields of ``hydra.launcher``."""
    fields = OmegaConf.to_container(settings.launcher)
    assert isinstance(fields, dict)
    return LaunchPlan.of(
        settings.runtime.choices["hydra/launcher"],
        {str(name): value for name, value in fields.items()},
    )


def _run(jobs: Sequence[_Composed]) -> None:
    if not jobs[0].in_sweep and jobs[0].chosen_study is not None:
        raise UserError(f"study={jobs[0].chosen_study} is of many runs: put -m before it")
    configs = [resolve(job.config) for job in jobs]  # all are checked before any starts
    if any(config.dry_run for config in configs):
        names = _told_apart([job.overrides for job in jobs])
        costs = [_cost(config) for config in configs]
        print_costs(names, costs, Console())
        return
    name = _typed()
    status_file = os.environ.get(STATUS_FILE_VARIABLE)
    if jobs[0].study is not None:
        from odvae.experiment.study.run import run_study

        plan = jobs[0].plan
        run_study(jobs[0].study, configs, name=name, launch_plan=plan, console=Console())
        return
    if jobs[0].in_sweep:
        overrides = [job.overrides for job in jobs]
        run_sweep(configs, overrides, name=name, plan=jobs[0].plan, console=Console())
        return
    with crew(configs[0].trainer) as team:
        if team.rank > 0:
            _assist(configs[0], team)
        elif status_file is not None:
            _run_for_sweep(configs[0], name, StatusFile(Path(status_file)), team)
        else:
            _run_at_terminal(configs[0], name, Console(), team)


def _told_apart(lines: Sequence[Sequence[str]]) -> list[str]:
    """Names of jobs: what not all of them were given."""
    common = set.intersection(*map(set, lines)) if len(lines) > 1 else set()
    common |= {word for line in lines for word in line if word.startswith("dry_run=")}
    return [" ".join(word for word in line if word not in common) or "default" for line in lines]


def _cost(config: RunConfig) -> RunCost:
    arithmetic = resolve_arithmetic(config.trainer.device, config.trainer.precision)
    return estimate_run(config, arithmetic, lpips_loss=lpips_at_hand(config.losses))


def _assist(config: RunConfig, team: Team) -> None:
    try:
        assist(team, resolve_arithmetic(config.trainer.device, config.trainer.precision))
    except (TeamBroken, KeyboardInterrupt):
        sys.exit(1)  # what there is to say is said elsewhere
    except UserError as error:
        raise UserError(f"process {team.rank}: {error}") from error


def _typed() -> str:
    """What the person set on the command line: the name of the run, or of the sweep."""
    fields = (a for a in sys.argv[1:] if "=" in a and not a.startswith(("-", "hydra")))
    return " ".join(fields) or "default"


def _run_for_sweep(config: RunConfig, name: str, status: StatusFile, team: Team) -> None:
    parent_id = os.environ.get(PARENT_RUN_VARIABLE)
    outcome = pipeline.run(config, name=name, parent_id=parent_id, progress=status, team=team)
    status.status.run_id = outcome.run_id
    status.status.already_finished = outcome.already_finished
    status.write()


def _run_at_terminal(config: RunConfig, name: str, console: Console, team: Team) -> None:
    with TerminalProgress(console) as bar:
        outcome = pipeline.run(config, name=name, parent_id=None, progress=bar, team=team)
    if outcome.already_finished:
        console.print("Already finished; rerun=true runs it again.", highlight=False)
    finished = [Store.open(config.output).get(outcome.run_id)]
    print_tables(finished, console)
    console.print(f"This run: {os.path.relpath(outcome.folder)}", highlight=False)
    where(config.output, console)


if __name__ == "__main__":
    sys.exit(main())
