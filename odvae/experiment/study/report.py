"""What a study has found: its table, its pictures, its note in the store."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from odvae.experiment.notes import markdown
from odvae.experiment.study.importance import importances
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.plots import history_png, importance_png, pareto_png
from odvae.experiment.study.savings import savings
from odvae.experiment.study.space import shown
from odvae.experiment.study.storage import SharedStudy
from odvae.experiment.study.trials import REASON, RUN_ID, STEPS, STOPPED_AT
from odvae.experiment.table import Summary
from odvae.tracking import RunLog

_NOTE_CHARACTERS = 3500  # of its table; the store cuts a note at 6000


def report(shared: SharedStudy, plan: StudyPlan, *, log: RunLog, console: Console) -> None:
    """Print the trials, and leave them with the study's run: tables, pictures, best values.

    Raises:
        UserError: the storage cannot be read.
    """
    trials = shared.trials()
    best = best_of(shared.study)
    table = _table(trials, best, plan)
    table.print(console)
    lines = [_counts(trials, plan), *_best_lines(best, plan)]
    saved = savings(trials)
    lines += [saved.text()] if saved.trials else []
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    log.text(_whole(trials, plan).csv(), "trials.csv")
    log.text(_whole(best, plan).csv(), "best.csv")
    pictures = [log.picture(name) for name in _log_pictures(shared.study, trials, plan, log)]
    shortened = markdown(table, name="trials", most_characters=_NOTE_CHARACTERS)
    log.describe("\n\n".join([*lines, *pictures, shortened]))
    log.metrics(_best_values(best, plan), step=len(trials))
    log.flush()


def best_of(study: optuna.Study) -> list[FrozenTrial]:
    """The best trial, or of several objectives the front: those that none beats in all.

    Of trials with the same parameters, which are one run, the first.
    """
    if not study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        return []
    if len(study.directions) == 1:
        return [study.best_trial]
    front: dict[str, FrozenTrial] = {}
    for trial in sorted(study.best_trials, key=lambda trial: trial.number):
        front.setdefault(json.dumps(trial.params, sort_keys=True), trial)
    return list(front.values())


def _table(trials: Sequence[FrozenTrial], best: Sequence[FrozenTrial], plan: StudyPlan) -> Summary:
    """For a person: short names, few digits, the best ones marked."""
    marked = {trial.number for trial in best}
    mark = "best" if len(plan.metrics) == 1 else "front"
    has_reasons = any(REASON in trial.user_attrs for trial in trials)
    columns = ["trial", "state", *plan.metrics, *(plan.labels[name] for name in plan.varied)]
    rows = []
    for trial in trials:
        number = f"{trial.number} {mark}" if trial.number in marked else f"{trial.number}"
        values = [f"{value:.5g}" for value in trial.values or [float("nan")] * len(plan.metrics)]
        given = [shown(trial.params[name]) if name in trial.params else "" for name in plan.varied]
        reason = [str(trial.user_attrs.get(REASON, ""))] if has_reasons else []
        rows.append([number, _state(trial), *values, *given, *reason])
    return Summary([*columns, *(["why"] if has_reasons else [])], rows)


def _state(trial: FrozenTrial) -> str:
    state = trial.state.name.lower()
    if trial.state is TrialState.PRUNED:
        return f"{state} at {trial.user_attrs.get(STOPPED_AT)}"
    return "failed" if trial.state is TrialState.FAIL else state


def _whole(trials: Sequence[FrozenTrial], plan: StudyPlan) -> Summary:
    """For a program: all digits, and the runs."""
    columns = ["trial", "state", *plan.metrics, *plan.space, STEPS, STOPPED_AT, RUN_ID, REASON]
    rows = []
    for trial in trials:
        values = [repr(value) for value in trial.values or []] or [""] * len(plan.metrics)
        given = [json.dumps(trial.params[n]) if n in trial.params else "" for n in plan.space]
        kept = [str(trial.user_attrs.get(n, "")) for n in (STEPS, STOPPED_AT, RUN_ID, REASON)]
        rows.append([str(trial.number), trial.state.name.lower(), *values, *given, *kept])
    return Summary(columns, rows)


def _counts(trials: Sequence[FrozenTrial], plan: StudyPlan) -> str:
    words = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
        TrialState.RUNNING: "running or left behind",
    }
    counts = {state: sum(trial.state is state for trial in trials) for state in words}
    told = ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state])
    return f"Study {plan.name}, {plan.trials} trials: {told or 'none begun'}"


def _best_lines(best: Sequence[FrozenTrial], plan: StudyPlan) -> list[str]:
    if not best:
        return []
    if len(plan.metrics) > 1:
        numbers = ", ".join(str(trial.number) for trial in best)
        return [f"Trials that no other beats in all objectives: {numbers}"]
    value = f"{plan.metrics[0]} {best[0].value:.5g}"
    words = " ".join(plan.words(best[0].params))
    return [f"Best: trial {best[0].number}, {value}: python -m odvae.run {words}"]


def _best_values(best: Sequence[FrozenTrial], plan: StudyPlan) -> dict[str, float]:
    """Of each objective by itself."""
    columns = zip(*(trial.values for trial in best), strict=True)
    return {
        f"best/{metric}": max(values) if direction.value == "maximize" else min(values)
        for metric, direction, values in zip(plan.metrics, plan.directions, columns, strict=False)
    }


def _log_pictures(
    study: optuna.Study, trials: Sequence[FrozenTrial], plan: StudyPlan, log: RunLog
) -> list[str]:
    """Store the pictures that these trials are enough for; returns their names."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not any(trial.values for trial in trials):
            return []
        if len(plan.metrics) == 1:
            history_png(trials, plan, folder / "history.png")
        else:
            pareto_png(trials, best_of(study), plan, folder / "pareto.png")
        shares = importances(study, plan)
        if shares:
            importance_png(shares, folder / "importance.png")
        files = sorted(folder.iterdir())
        for file in files:
            log.file(file, None)
        return [file.name for file in files]
