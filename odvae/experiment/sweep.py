"""A sweep: its run in the store, its jobs, its table and its plot."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.abandoned import close, close_abandoned, sweep_folder
from odvae.experiment.backends.choose import jobs_at_a_time, make_backend
from odvae.experiment.launch import FixedJobs, LaunchedJob, launch
from odvae.experiment.launch_plan import LaunchPlan
from odvae.experiment.notes import sweep_note
from odvae.experiment.pipeline import check
from odvae.experiment.plot import comparison_png
from odvae.experiment.protocols import by_protocol, heading, suffix
from odvae.experiment.sweep_jobs import (
    list_jobs,
    store_jobs,
    stored_jobs,
    with_runs,
    working_on,
)
from odvae.experiment.tables import models, print_tables
from odvae.revision import git_commit
from odvae.tracking import LoggedRun, RunLog, Status, Store
from odvae.training.precision import resolve


class JobsFailed(Exception):
    """Some jobs of a sweep failed; each has been reported."""


def run_sweep(
    configs: Sequence[RunConfig],
    overrides: Sequence[Sequence[str]],
    *,
    name: str,
    plan: LaunchPlan,
    console: Console,
) -> None:
    """Run every configuration, log the sweep as their parent, print the table.

    None starts unless all can. Runs of processes that have died are closed in the store.

    Args:
        overrides: the command line of each configuration.
        name: what the person typed.
        plan: how jobs are started.

    Raises:
        UserError: a configuration cannot run, or jobs cannot be started that way.
        JobsFailed: after all the others have finished.
    """
    if len({config.output_dir for config in configs}) > 1:
        raise UserError("output_dir must be the same in all runs of a sweep")
    configs, overrides = _without_repeats(configs, overrides)
    check(configs)
    output, key = configs[0].output, _key(configs)
    folder = sweep_folder(output, key)
    devices = max(config.trainer.devices for config in configs)
    backend = make_backend(plan, folder=folder, devices=devices)
    store = Store.open(output)
    tell = partial(console.print, style="yellow", highlight=False, markup=False)
    with working_on(folder, console), store.mirrored(tell):
        close_abandoned(store, output)
        log = _parent(store, key, name)
        identities = [_identity(config) for config in configs]
        listed = list_jobs(overrides, identities, earlier=stored_jobs(store, log.run_id))
        jobs = [job.to_launch(folder) for job in listed]
        status = Status.KILLED
        try:
            store_jobs(log, listed)
            launch(
                FixedJobs(jobs),
                backend=backend,
                parallel=_room(configs, plan, devices=devices),
                parent_id=log.run_id,
                console=console,
                devices=devices,
            )
            store_jobs(log, with_runs(listed, jobs))
            failed = [job for job in jobs if job.returncode != 0]
            _close_dead_runs(store, failed, output)
            _report(store, log, jobs, output, console)
            status = Status.FAILED if failed else Status.FINISHED
        finally:
            log.finish(status)
    if failed:
        raise JobsFailed(f"{len(failed)} of {len(jobs)} jobs failed")


def _room(configs: Sequence[RunConfig], plan: LaunchPlan, *, devices: int) -> int:
    """Jobs at a time: one, where others would disturb its timing."""
    if plan.parallel is None and any(config.task is Task.benchmark for config in configs):
        return 1
    return jobs_at_a_time(plan, len(configs), devices=devices)


def _without_repeats(
    configs: Sequence[RunConfig], overrides: Sequence[Sequence[str]]
) -> tuple[list[RunConfig], list[Sequence[str]]]:
    """Leave out what is the same run as one before: variant=1,4 is one run of an image VAE."""
    first: dict[str, int] = {}
    for index, config in enumerate(configs):
        first.setdefault(_identity(config), index)
    kept = list(first.values())
    return [configs[index] for index in kept], [overrides[index] for index in kept]


def _identity(config: RunConfig) -> str:
    """What tells a run from others before anything is read: its fields, and where its files are."""
    paths = (config.weights_source, config.data.path, config.image_vae.path)
    located = (
        path and (str(Path(path).resolve()) if Path(path).exists() else path) for path in paths
    )
    arithmetic = resolve(config.trainer.device, config.trainer.precision)
    return " ".join([config.digest(), f"{arithmetic}", *map(str, located)])


def _key(configs: Sequence[RunConfig]) -> str:
    """What tells a sweep from others: its runs, in any order."""
    identities = "\n".join(sorted(_identity(config) for config in configs))
    return hashlib.sha256(identities.encode()).hexdigest()


def _parent(store: Store, key: str, name: str) -> RunLog:
    """The run of this sweep: the one of an earlier try of the same sweep, or a new one."""
    found = store.find({"odvae.key": key, "odvae.kind": "sweep"})
    if found:
        return store.resume(found[0].run_id)
    tags = {"odvae.kind": "sweep", "odvae.key": key, "git_commit": git_commit() or "none"}
    return store.create(name, tags=tags, parent_id=None)


def _close_dead_runs(store: Store, failed: Sequence[LaunchedJob], output: Path) -> None:
    """Mark the runs of jobs that had no chance to do it: ended by a signal, or out of memory."""
    for job in failed:
        if job.status.run_id is not None:
            by_signal = job.returncode is not None and job.returncode < 0
            status = Status.KILLED if by_signal else Status.FAILED
            run = store.get(job.status.run_id)
            close(store, run, output, status=status, reason=job.ending)


def _report(
    store: Store, log: RunLog, jobs: Sequence[LaunchedJob], output: Path, console: Console
) -> None:
    for note in dict.fromkeys(note for job in jobs for note in job.status.notes):
        console.print(note, style="yellow", highlight=False, markup=False)
    ids = dict.fromkeys(job.status.run_id for job in jobs if job.status.run_id is not None)
    store.share(*ids)  # what they did not get to a server themselves
    runs = [store.get(run_id) for run_id in ids]
    tables = print_tables(runs, console)
    for name, summary in tables.items():
        log.text(summary.csv(), f"{name}.csv")
    groups = by_protocol([r for r in models(runs) if r.status == Status.FINISHED.value])
    names = ["comparison" + (suffix(same) if len(groups) > 1 else "") for same in groups]
    for same, name in zip(groups, names, strict=True):
        _log_plot(same, log, name=name)
    pictures = [log.picture(f"{name}.png") for name in names]
    log.describe(sweep_note([heading(same) for same in groups], tables, pictures))
    where(output, console)


def _log_plot(runs: Sequence[LoggedRun], log: RunLog, *, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"{name}.png"
        comparison_png(runs, file)
        log.file(file, None)


def where(output: Path, console: Console) -> None:
    """Tell where results are and how to see them."""
    shown = os.path.relpath(output)
    console.print(f"Results: {shown} (runs/, mlflow.db)", highlight=False, markup=False)
    if not (Path.cwd() / "Makefile").is_file():
        return
    setting = "" if shown == "outputs" else f" OUTPUT_DIR={shown}"
    console.print(
        f"See them in MLflow's page: make ui{setting}; draw them: make figures{setting}",
        highlight=False,
        markup=False,
    )
