"""What pruning has saved."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from odvae.experiment.study.trials import STEPS, STEPS_PER_S, STOPPED_AT


@dataclass(frozen=True)
class Savings:
    """Steps of training that pruned trials did not take."""

    trials: int  # pruned
    steps: int  # not taken
    seconds: float  # that they would have taken, each at its trial's own pace
    all_steps: int  # of all trials that are complete or pruned, had none been pruned

    def text(self) -> str:
        """In a line."""
        share = self.steps / self.all_steps
        return (
            f"Pruning: {self.trials} trials were stopped early, {self.steps} of {self.all_steps} "
            f"steps ({share:.0%}) were not trained; at each trial's own pace that is "
            f"{self.seconds:.0f} s, and their evaluation besides"
        )


def savings(trials: Sequence[FrozenTrial]) -> Savings:
    """What pruning saved, by what the trials have kept."""
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    pruned = [trial for trial in ended if STOPPED_AT in trial.user_attrs]
    pruned = [trial for trial in pruned if trial.state is TrialState.PRUNED]
    left = [trial.user_attrs[STEPS] - trial.user_attrs[STOPPED_AT] for trial in pruned]
    paces = [trial.user_attrs.get(STEPS_PER_S, float("inf")) for trial in pruned]
    return Savings(
        trials=len(pruned),
        steps=sum(left),
        seconds=sum(steps / pace for steps, pace in zip(left, paces, strict=True)),
        all_steps=sum(trial.user_attrs.get(STEPS, 0) for trial in ended),
    )
