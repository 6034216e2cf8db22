"""A study from its plan to its report: what one worker does."""

from collections.abc import Callable, Sequence
from functools import partial

from optuna.trial import TrialState
from rich.console import Console

from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.experiment.abandoned import close_abandoned, sweep_folder
from odvae.experiment.backends.choose import jobs_at_a_time, make_backend
from odvae.experiment.launch import launch
from odvae.experiment.launch_plan import LaunchPlan
from odvae.experiment.pipeline import check
from odvae.experiment.study.facts import claim, facts_of
from odvae.experiment.study.locks import Presence
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.report import report
from odvae.experiment.study.storage import SharedStudy, opened
from odvae.experiment.study.trials import Trials
from odvae.experiment.sweep import JobsFailed, where
from odvae.revision import git_commit
from odvae.tracking import RunLog, Status, Store

_TIMES = ("_per_s", "_s")  # how metrics end that other jobs would disturb


def run_study(
    plan: StudyPlan,
    edges: Sequence[RunConfig],
    *,
    name: str,
    launch_plan: LaunchPlan,
    console: Console,
) -> None:
    """Work on a study until its trials have begun, here or elsewhere; the store has it as parent.

    Args:
        edges: the runs at the edge of its space; none starts unless these can.
        name: what the person typed.
        launch_plan: how jobs are started.

    Raises:
        UserError: a run cannot be, the study is about something else, or its storage fails.
        JobsFailed: no trial is complete, or so many failed that the others were not tried.
    """
    first = edges[0]
    _check_alike(edges)
    check(edges)
    output, store = first.output, Store.open(first.output)
    devices = max(config.trainer.devices for config in edges)
    tell = partial(console.print, style="yellow", highlight=False, markup=False)
    with opened(plan, output, steps=first.train.steps) as shared:
        identity = claim(shared, facts_of(plan, first))
        folder = sweep_folder(output, identity)
        backend = make_backend(launch_plan, folder=folder, devices=devices)
        with Presence(folder / "lock") as presence, store.mirrored(tell):
            close_abandoned(store, output)
            log = _parent(store, identity, name, plan)
            trials = Trials(
                shared,
                plan,
                store=store,
                folder=folder,
                steps=first.train.steps,
                presence=presence,
                console=console,
            )
            kept = f"{plan.trials - trials.total} of {plan.trials} trials are done"
            console.print(f"Study {plan.name} ({shared.place}): {kept}", highlight=False)
            work = partial(
                launch,
                trials,
                backend=backend,
                parallel=_room(plan, launch_plan, trials.total, devices=devices),
                parent_id=log.run_id,
                console=console,
                devices=devices,
            )
            tell_all = partial(report, shared, plan, log=log, console=console)
            _work_to_the_end(work, tell_all, log, partial(_status, shared, plan, trials))
            for note in trials.notes:
                tell(note)
            where(output, console)
        _check_success(shared, trials)


def _check_alike(edges: Sequence[RunConfig]) -> None:
    if any(config.rerun for config in edges):
        raise UserError(
            "rerun=true: a study goes on where it was; hydra.sweeper.name=NAME begins another"
        )
    if len({config.output for config in edges}) > 1:
        raise UserError("output_dir must be the same in all runs of a study")


def _room(plan: StudyPlan, launch_plan: LaunchPlan, trials: int, *, devices: int) -> int:
    """Jobs at a time: one, where others would disturb what is measured."""
    if launch_plan.parallel is None and any(metric.endswith(_TIMES) for metric in plan.metrics):
        return 1
    return jobs_at_a_time(launch_plan, max(1, trials), devices=devices)


def _parent(store: Store, identity: str, name: str, plan: StudyPlan) -> RunLog:
    """The run of the study in the store, which all its workers share."""
    found = store.find({"odvae.key": identity, "odvae.kind": "sweep"})
    if found:
        return store.resume(found[0].run_id)
    tags = {"odvae.kind": "sweep", "odvae.key": identity, "odvae.study": plan.name}
    tags["git_commit"] = git_commit() or "none"
    return store.create(name, tags=tags, parent_id=None)


def _work_to_the_end(
    work: Callable[[], None],
    tell_all: Callable[[], None],
    log: RunLog,
    find_status: Callable[[], Status | None],
) -> None:
    """Report also of a study that was interrupted; close its run unless others go on with it."""
    status: Status | None = Status.KILLED
    try:
        try:
            work()
        except KeyboardInterrupt:
            tell_all()
            raise
        tell_all()
        status = find_status()
    finally:
        if status is not None:
            log.finish(status)


def _status(shared: SharedStudy, plan: StudyPlan, trials: Trials) -> Status | None:
    """How the study has ended; None: others go on with it."""
    if trials.has_given_up:
        return Status.FAILED
    ended = sum(trial.state.is_finished() for trial in shared.trials())
    return Status.FINISHED if ended >= plan.trials else None


def _check_success(shared: SharedStudy, trials: Trials) -> None:
    if trials.has_given_up:
        raise JobsFailed(
            f"{trials.failures} trials failed one after the other; the same command goes on with "
            "the others"
        )
    if not shared.numbers(TrialState.COMPLETE) and not shared.numbers(TrialState.RUNNING):
        raise JobsFailed("no trial is complete")
