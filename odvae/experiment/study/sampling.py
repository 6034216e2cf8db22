"""From the names of a plan to Optuna: samplers, pruners, and the values of a trial."""

import numpy as np
import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from odvae.experiment.study.config import Pruner, Sampler
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.space import Dimension, Range, Value, grid

_GENERATIONS = 5  # of nsga2, as far as trials reach


def make_sampler(plan: StudyPlan, *, number: int) -> BaseSampler:
    """The sampler that proposes a trial: another seed each, so that no two workers agree."""
    seed = int(np.random.SeedSequence([plan.settings.seed, number]).generate_state(1)[0])
    match plan.settings.sampler:
        case Sampler.tpe:
            return TPESampler(seed=seed)
        case Sampler.gp:
            return GPSampler(seed=seed)
        case Sampler.nsga2:
            population = max(4, min(50, plan.trials // _GENERATIONS))
            return NSGAIISampler(seed=seed, population_size=population)
        case Sampler.random | Sampler.grid:  # a grid's trials are queued, see ``ask``
            return RandomSampler(seed=seed)


def make_pruner(plan: StudyPlan, *, steps: int) -> BasePruner:
    """The pruner of trials that train for so many steps."""
    told = plan.settings.pruner
    match told.name:
        case Pruner.none:
            return NopPruner()
        case Pruner.median:
            return MedianPruner(told.startup_trials, told.warmup_steps)
        case Pruner.percentile:
            return PercentilePruner(told.percentile, told.startup_trials, told.warmup_steps)
        case Pruner.hyperband:
            least = max(1, told.warmup_steps, steps // 9)  # two rounds
            return HyperbandPruner(min_resource=least, max_resource=max(least, steps))


def ask(study: optuna.Study, plan: StudyPlan) -> optuna.Trial:
    """A new trial, its values not yet chosen. To be called by one worker at a time."""
    trials = study.get_trials(deepcopy=False)
    study.sampler = make_sampler(plan, number=len(trials))
    waits = any(trial.state is optuna.trial.TrialState.WAITING for trial in trials)
    if plan.settings.sampler is Sampler.grid and not waits:
        study.enqueue_trial(grid(plan.space)[len(trials)])
    return study.ask()


def values_of(trial: optuna.Trial, plan: StudyPlan) -> dict[str, Value]:
    """The values of a trial; those that an earlier worker was given stay."""
    return {name: _suggest(trial, name, dimension) for name, dimension in plan.space.items()}


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Value:
    match dimension:
        case Range(whole=True):
            low, high = int(dimension.low), int(dimension.high)
            step = int(dimension.step or 1)
            return trial.suggest_int(name, low, high, step=step, log=dimension.log)
        case Range():
            return trial.suggest_float(
                name, dimension.low, dimension.high, step=dimension.step, log=dimension.log
            )
        case _:
            return trial.suggest_categorical(name, dimension.values)
