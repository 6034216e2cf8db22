"""Which fields decide whether a trial is among the best."""

import warnings
from collections.abc import Callable

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from odvae.experiment.study.config import Direction
from odvae.experiment.study.plan import StudyPlan

_LEAST_TRIALS = 8  # complete; with fewer it is noise
_BEST_SHARE = 0.25  # of the trials; the question is what takes a trial there

Importances = dict[str, dict[str, float]]  # by objective, by the short name of a field


def importances(study: optuna.Study, plan: StudyPlan) -> Importances:
    """PED-ANOVA's shares of the fields, of every objective; they sum to 1.

    Empty with too few trials or fields; without objectives that are the same in all trials.
    """
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len(complete) < _LEAST_TRIALS or len(plan.varied) < 2:
        return {}
    found: Importances = {}
    for index, metric in enumerate(plan.metrics):
        if len({trial.values[index] for trial in complete}) < 2:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it recalls that it looks for low values
            shares = get_param_importances(
                study,
                evaluator=PedAnovaImportanceEvaluator(target_quantile=_BEST_SHARE),
                params=plan.varied,
                target=_lower_is_better(index, plan.directions[index]),
            )
        found[metric] = {plan.labels[name]: float(share) for name, share in shares.items()}
    return found


def _lower_is_better(index: int, direction: Direction) -> Callable[[FrozenTrial], float]:
    sign = -1 if direction is Direction.maximize else 1
    return lambda trial: sign * trial.values[index]
