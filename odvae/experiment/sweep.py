"""A sweep: its run in the store, its jobs, its table and its plot."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.launch import LaunchedJob, launch, parallel_jobs
from odvae.experiment.notes import sweep_note
from odvae.experiment.pipeline import check
from odvae.experiment.plot import comparison_png
from odvae.experiment.protocols import by_protocol, heading, suffix
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
    parallel: int | None,
    console: Console,
) -> None:
    """Run every configuration, log the sweep as their parent, print the table.

    None starts unless all can.

    Args:
        overrides: the command line of each configuration.
        name: what the person typed.
        parallel: jobs at a time; None finds out.

    Raises:
        UserError: a configuration cannot run.
        JobsFailed: after all the others have finished.
    """
    if parallel is not None and parallel < 1:
        raise UserError(f"hydra.launcher.parallel must be at least 1, got {parallel}")
    if len({config.output_dir for config in configs}) > 1:
        raise UserError("output_dir must be the same in all runs of a sweep")
    configs, overrides = _without_repeats(configs, overrides)
    check(configs)
    output = configs[0].output
    store = Store.open(output)
    log = _parent(store, configs, name)
    status = Status.KILLED
    try:
        with tempfile.TemporaryDirectory(prefix="odvae-") as scratch:
            jobs = [
                LaunchedJob(
                    name=" ".join(line) or "default",
                    overrides=line,
                    log=output / "logs" / log.run_id[:8] / f"{index}.log",
                    status_file=Path(scratch) / f"{index}.json",
                )
                for index, line in enumerate(overrides)
            ]
            devices = max(config.trainer.devices for config in configs)
            launch(
                jobs,
                parallel=parallel or _room(configs, devices=devices),
                parent_id=log.run_id,
                console=console,
                devices=devices,
            )
        failed = [job for job in jobs if job.returncode != 0]
        _close_dead_runs(store, failed)
        _report(store, log, jobs, output, console)
        status = Status.FAILED if failed else Status.FINISHED
    finally:
        log.finish(status)
    if failed:
        raise JobsFailed(f"{len(failed)} of {len(jobs)} jobs failed")


def _room(configs: Sequence[RunConfig], *, devices: int) -> int:
    """Jobs at a time: one, where others would disturb its timing."""
    if any(config.task is Task.benchmark for config in configs):
        return 1
    return parallel_jobs(len(configs), devices=devices)


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


def _parent(store: Store, configs: Sequence[RunConfig], name: str) -> RunLog:
    """The run of this sweep: the one of an earlier try of the same sweep, or a new one."""
    identities = "\n".join(sorted(_identity(config) for config in configs))
    key = hashlib.sha256(identities.encode()).hexdigest()
    found = store.find({"odvae.key": key, "odvae.kind": "sweep"})
    if found:
        return store.resume(found[0].run_id)
    tags = {"odvae.kind": "sweep", "odvae.key": key, "git_commit": git_commit() or "none"}
    return store.create(name, tags=tags, parent_id=None)


def _close_dead_runs(store: Store, failed: Sequence[LaunchedJob]) -> None:
    """Mark the runs of jobs that had no chance to do it: ended by a signal, or out of memory."""
    for job in failed:
        run_id = job.status.run_id
        if run_id is not None and store.get(run_id).status == "RUNNING":
            log = store.resume(run_id)
            log.tags({"error": job.ending})
            log.finish(Status.FAILED)


def _report(
    store: Store, log: RunLog, jobs: Sequence[LaunchedJob], output: Path, console: Console
) -> None:
    for note in dict.fromkeys(note for job in jobs for note in job.status.notes):
        console.print(note, style="yellow", highlight=False, markup=False)
    ids = dict.fromkeys(job.status.run_id for job in jobs if job.status.run_id is not None)
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
