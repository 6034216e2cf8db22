"""The pictures of a study: how it went on, what mattered, which trials none beats."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial, TrialState

from odvae.experiment.plot import COLOURS
from odvae.experiment.study.config import Direction
from odvae.experiment.study.plan import StudyPlan

_AXES = {
    "eval/psnr_db": "PSNR on held-out clips (dB)",
    "eval/ssim": "SSIM on held-out clips",
    "cost/encode_clips_per_s": "encoding speed (clips/s)",
    "cost/decode_clips_per_s": "decoding speed (clips/s)",
    "cost/peak_memory_mb": "peak memory (MB)",
    "cost/wall_s": "time of a run (s)",
    "cost/parameters_millions": "parameters (millions)",
}
_GREY = "0.6"
_DPI = 140


def history_png(trials: Sequence[FrozenTrial], plan: StudyPlan, path: Path) -> None:
    """Draw the objective of every trial in order, and the best value so far."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    pruned = [t for t in trials if t.state is TrialState.PRUNED and t.values is not None]
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    if complete:
        axis.plot(*_points(complete), "o", color=COLOURS[0], markersize=5, label="complete")
        numbers, values = _points(complete)
        is_high = plan.directions[0] is Direction.maximize
        so_far = (np.maximum if is_high else np.minimum).accumulate(values)
        ends = [*numbers, trials[-1].number]
        axis.step(ends, [*so_far, so_far[-1]], where="post", color=COLOURS[1], label="best so far")
    if pruned:
        axis.plot(*_points(pruned), "o", color=_GREY, mfc="none", markersize=5, label="pruned")
    for trial in failed:
        axis.axvline(trial.number, color=COLOURS[3], linewidth=0.8, linestyle=":")
    if failed:
        axis.plot([], [], ":", color=COLOURS[3], label="failed")
    axis.set_xlabel("trial")
    axis.set_ylabel(axis_title(plan.metrics[0]))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=_DPI)


def importance_png(importances: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the share that each field has in whether a trial is among the best."""
    count = len(importances)
    fields = max(len(shares) for shares in importances.values())
    figure = Figure(figsize=(2.6 + 2.6 * count, 1.2 + 0.35 * fields), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    for axis, (metric, shares) in zip(axes, importances.items(), strict=True):
        ordered = sorted(shares.items(), key=lambda item: item[1])
        names, values = [name for name, _ in ordered], [share for _, share in ordered]
        bars = axis.barh(names, values, color=COLOURS[0], height=0.6)
        axis.bar_label(bars, [f"{value:.0%}" for value in values], padding=3, fontsize=8)
        axis.set_xlim(0, 1.15)
        axis.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        axis.set_xlabel("share in being among the best quarter", fontsize=8)
        axis.set_title(axis_title(metric), fontsize=9)
    figure.savefig(path, dpi=_DPI)


def pareto_png(
    trials: Sequence[FrozenTrial], front: Sequence[FrozenTrial], plan: StudyPlan, path: Path
) -> None:
    """Draw the first objective over each of the others; trials that none beats are filled."""
    others = range(1, len(plan.metrics))
    figure = Figure(figsize=(1 + 4.2 * len(others), 3.9), layout="constrained")
    axes = figure.subplots(1, len(others), squeeze=False, sharey=True)[0]
    unbeaten = [trial.values for trial in front]
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    beaten = [trial for trial in complete if trial.values not in unbeaten]
    for axis, other in zip(axes, others, strict=True):
        for some, fill, colour in ((beaten, "none", _GREY), (front, COLOURS[0], COLOURS[0])):
            across, up = ([trial.values[index] for trial in some] for index in (other, 0))
            axis.plot(across, up, "o", color=colour, mfc=fill, markersize=6)
        _number(axis, front, other)
        axis.set_xlabel(_directed(plan, other))
        axis.margins(0.08)
    axes[0].set_ylabel(_directed(plan, 0))
    axes[0].plot([], [], "o", color=COLOURS[0], label="none beats it in all objectives")
    axes[0].plot([], [], "o", color=_GREY, mfc="none", label="beaten")
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, dpi=_DPI)


def axis_title(metric: str) -> str:
    """A metric with its unit."""
    return _AXES.get(metric, metric)


def _points(trials: Sequence[FrozenTrial]) -> tuple[list[int], list[float]]:
    return [trial.number for trial in trials], [trial.values[0] for trial in trials]


def _number(axis: Axes, trials: Sequence[FrozenTrial], other: int) -> None:
    for trial in trials:
        place = (trial.values[other], trial.values[0])
        axis.annotate(
            str(trial.number), place, xytext=(4, 3), textcoords="offset points", fontsize=7
        )


def _directed(plan: StudyPlan, index: int) -> str:
    better = "more" if plan.directions[index] is Direction.maximize else "less"
    return f"{axis_title(plan.metrics[index])}, {better} is better"
