"""Compare levels: paired differences, intervals, tests, and what to bear in mind."""

from collections.abc import Sequence
from dataclasses import replace

from odvae.comparison.bootstrap import RESAMPLES, interval
from odvae.comparison.difference import Comparison, Difference
from odvae.comparison.notes import notes_on
from odvae.comparison.paired import Level, pair
from odvae.comparison.significance import holm, wilcoxon_p
from odvae.errors import UserError

_FIRST = ("psnr_db", "ssim")


def compare(
    levels: Sequence[Level],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare each level with the baseline.

    Args:
        levels: two or more; their labels differ.
        baseline: label of the level that the others are compared with; None: the first.
        metrics: names of columns of the scores; None: all that every level has.
        seed: of the bootstrap's draws.
        resamples: how many draws.

    Raises:
        UserError: no such baseline or metric, fewer than two levels, or no clip in common.
    """
    labels = [level.label for level in levels]
    if len(set(labels)) < 2 or len(set(labels)) < len(labels):
        raise UserError(f"two or more different levels are needed, got {', '.join(labels)}")
    base = _level_called(levels, baseline or labels[0])
    names = _metrics(levels, metrics)
    found = [
        _difference(level, base, name, seed=seed, resamples=resamples)
        for name in names
        for level in levels
        if level is not base
    ]
    corrected = holm([one.p for one in found])
    found = [replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True)]
    return Comparison(found, notes_on(found))


def _level_called(levels: Sequence[Level], label: str) -> Level:
    found = next((level for level in levels if level.label == label), None)
    if found is None:
        allowed = "; ".join(level.label for level in levels)
        raise UserError(f"baseline must be one of {allowed}, got {label}")
    return found


def _metrics(levels: Sequence[Level], wanted: Sequence[str] | None) -> list[str]:
    shared = [
        name for name in levels[0].metrics if all(name in level.metrics for level in levels[1:])
    ]
    names = [*(n for n in _FIRST if n in shared), *(n for n in shared if n not in _FIRST)]
    for name in wanted or ():
        if name not in names:
            raise UserError(f"metric must be one of {', '.join(names)}, got {name}")
    if not names:
        raise UserError("the levels have no metric in common")
    return list(dict.fromkeys(wanted)) if wanted else names


def _difference(
    level: Level, baseline: Level, name: str, *, seed: int, resamples: int
) -> Difference:
    paired = pair(level, baseline, metric=name)
    p = wilcoxon_p(paired.differences)
    return Difference(
        name=name,
        level=level.label,
        baseline=baseline.label,
        paired=paired,
        interval=interval(paired.differences, paired.over_seeds, seed=seed, resamples=resamples),
        p=p,
        p_holm=p,
    )
