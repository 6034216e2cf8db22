"""The trials of a study as jobs: begun or taken over, watched, and told of."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.trial import TrialState
from rich.console import Console

from odvae.errors import UserError
from odvae.experiment.abandoned import close, lock_of
from odvae.experiment.launch import LaunchedJob
from odvae.experiment.study.locks import Presence
from odvae.experiment.study.outcome import Outcome, outcome
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.sampling import ask, make_sampler, values_of
from odvae.experiment.study.storage import SharedStudy
from odvae.tracking import Status, Store

# What is kept with a trial besides its values.
RUN_ID, REASON = "run_id", "reason"
STEPS, STOPPED_AT, STEPS_PER_S = "steps", "stopped_at", "steps_per_s"

PRUNED_TAG = "odvae.pruned"
_STEPS_PER_S = "cost/train_steps_per_s"
_MOST_FAILURES = 5  # in a row; then something else is wrong than the parameters


@dataclass
class _AtWork:
    """A trial whose job runs."""

    trial: optuna.Trial
    steps: int  # of its training
    reported: set[int] = field(default_factory=set)  # steps whose values the study has


class Trials:
    """Gives jobs until as many trials have begun, here or elsewhere, as the study is to have."""

    def __init__(
        self,
        shared: SharedStudy,
        plan: StudyPlan,
        *,
        store: Store,
        folder: Path,
        steps: int,
        presence: Presence,
        console: Console,
    ) -> None:
        self._shared, self._plan, self._store = shared, plan, store
        self._folder = folder  # for what jobs print, and for their status
        self._steps = steps  # of a training, where the study does not vary them
        self._presence, self._console = presence, console
        self._at_work: dict[str, _AtWork] = {}  # by the job's name
        self.failures = 0  # in a row
        self.notes: dict[str, None] = {}  # what jobs had to say, once each
        self._is_exhausted = False
        self.total = plan.trials - sum(trial.state.is_finished() for trial in shared.trials())

    @property
    def has_given_up(self) -> bool:
        """Whether so many trials have failed that no other is tried."""
        return self.failures >= _MOST_FAILURES

    def next(self) -> LaunchedJob | None:
        """The next trial: one whose worker is gone, or a new one."""
        self._presence.show()
        trial = None
        if not self.has_given_up:
            with self._shared.speaking(), self._shared.locks.deciding():
                trial = self._left_behind() or self._new()
        self._is_exhausted = trial is None
        return None if trial is None else self._job(trial)

    def is_exhausted(self) -> bool:
        """Whether the study needs no more of this worker."""
        return self._is_exhausted

    def watch(self, job: LaunchedJob) -> bool:
        """Pass on what the job has reached; True when its trial is given up."""
        at_work = self._at_work[job.name]
        objective = self._plan.metrics[0]
        new = [
            (step, values)
            for step, values in job.status.reports
            if step not in at_work.reported and objective in values
        ]
        at_work.reported |= {step for step, _ in new}
        if not new or len(self._plan.metrics) > 1:
            return False
        with self._shared.speaking():
            for step, values in new:
                at_work.trial.report(values[objective], step)
            step, values = new[-1]
            if step >= at_work.steps or not at_work.trial.should_prune():
                return False
            at_work.trial.set_user_attr(STOPPED_AT, step)
            _keep_pace(at_work, values)
        return True

    def ended(self, job: LaunchedJob) -> None:
        """Tell how a trial went."""
        at_work, run_id = self._at_work.pop(job.name), job.status.run_id
        metrics = {} if run_id is None else self._store.get(run_id).metrics
        went = outcome(job, metrics, self._plan.metrics)
        if run_id is not None:
            self._mark(run_id, job, is_pruned=went.state is TrialState.PRUNED)
        with self._shared.speaking():
            if run_id is not None:
                at_work.trial.set_user_attr(RUN_ID, run_id)
            if went.state is TrialState.COMPLETE:
                _keep_pace(at_work, metrics)
            if went.reason:
                at_work.trial.set_user_attr(REASON, went.reason)
            self._shared.tell(at_work.trial, went.state, went.values)
            self._shared.locks.release(at_work.trial.number)
        has_broken = went.state is TrialState.FAIL and job.returncode != 0
        self.failures = self.failures + 1 if has_broken else 0
        self.notes |= dict.fromkeys(job.status.notes)
        if job.returncode == 0:  # else its ending is told
            self._say(at_work.trial.number, went)

    def _left_behind(self) -> optuna.Trial | None:
        """A trial that was begun and has no worker any more; this is now its worker."""
        own = {at_work.trial.number for at_work in self._at_work.values()}
        for number in self._shared.numbers(TrialState.RUNNING):
            if number in own or not self._shared.locks.hold(number):
                continue
            if number in self._shared.numbers(TrialState.RUNNING):
                self._shared.study.sampler = make_sampler(self._plan, number=number)
                return self._shared.trial(number)
            self._shared.locks.release(number)  # its worker has just told of it
        return None

    def _new(self) -> optuna.Trial | None:
        begun = [t for t in self._shared.trials() if t.state is not TrialState.WAITING]
        if len(begun) >= self._plan.trials:
            return None
        trial = ask(self._shared.study, self._plan)
        self._shared.locks.hold(trial.number)
        return trial

    def _job(self, trial: optuna.Trial) -> LaunchedJob:
        with self._shared.speaking():
            values = values_of(trial, self._plan)
            steps = values.get("train.steps", self._steps)
            assert isinstance(steps, int), "the field takes whole numbers"
            trial.set_user_attr(STEPS, steps)
            reported = self._shared.trials()[trial.number].intermediate_values.keys()
        job = LaunchedJob(
            name=f"trial {trial.number} {self._plan.shown(values)}".rstrip(),
            overrides=self._plan.words(values),
            log=self._folder / f"trial_{trial.number}.log",
            status_file=self._folder / f"trial_{trial.number}.json",
        )
        self._at_work[job.name] = _AtWork(trial, steps, set(reported))
        return job

    def _mark(self, run_id: str, job: LaunchedJob, *, is_pruned: bool) -> None:
        """Mark the run of a pruned trial. Nothing resumes it: its checkpoints are not kept.

        A run whose process had no chance to close it is closed.
        """
        run, output = self._store.get(run_id), self._store.output
        close(self._store, run, output, status=Status.FAILED, reason=job.ending)
        if not is_pruned and run.tags.get(PRUNED_TAG) != "true":
            return
        lock = lock_of(run, output)
        try:
            with FileLock(lock, timeout=0):
                log = self._store.resume(run_id)
                log.tags({PRUNED_TAG: str(is_pruned).lower()})
                log.finish(Status.KILLED if is_pruned else Status(run.status))
                if is_pruned:
                    shutil.rmtree(lock.parent / "checkpoints", ignore_errors=True)
        except Timeout:
            pass  # another trial of the same values goes on with it

    def _say(self, number: int, went: Outcome) -> None:
        """What the ending of the job does not.

        Raises:
            UserError: an objective is none that runs of this study log.
        """
        if went.lacks and not self._shared.numbers(TrialState.COMPLETE):
            raise UserError(f"hydra.sweeper.objectives: trial {number}: {went.reason}")
        if went.reason:
            self._console.print(f"trial {number}: {went.reason}", style="red", highlight=False)
        if went.values is None or len(went.values) > 1:
            return
        if number == self._shared.study.best_trial.number:
            told = f"trial {number}: {self._plan.metrics[0]} {went.values[0]:.4g}, the best so far"
            self._console.print(told, highlight=False)


def _keep_pace(at_work: _AtWork, metrics: dict[str, float]) -> None:
    if _STEPS_PER_S in metrics:
        at_work.trial.set_user_attr(STEPS_PER_S, metrics[_STEPS_PER_S])
