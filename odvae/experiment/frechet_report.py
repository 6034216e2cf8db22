"""How far the set distances of an evaluation can be trusted: their curves, limits, uncertainty."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from odvae.experiment.context import Context
from odvae.metrics import EvaluationResult, FrechetResult

_COLOUR, _GREY = "#0072B2", "0.45"


def report_frechet(context: Context, result: EvaluationResult, *, seed: int) -> None:
    """Log what is known of each Frechet and kernel distance besides its value.

    Metrics ``frechet/NAME/...`` hold what is a number, with the curve by number of clips; unknown
    ones are left out. ``frechet.json`` and ``frechet.png`` hold all.
    """
    sets = [one.result(seed=seed) for one in result.feature_sets.values()]
    context.log.tags({"frechet_rank_deficient": result.rank_deficient})
    if not sets:
        return
    for found in sets:
        known = {name: value for name, value in _numbers(found).items() if math.isfinite(value)}
        context.log_scores(f"frechet/{found.name}", known, step=0)
        for point in found.trust.curve:
            context.log_scores(f"frechet/{found.name}", {"curve": point.mean}, step=point.clips)
    content = {found.name: _plain(asdict(found)) for found in sets}
    context.log.text(json.dumps(content, indent=1), "frechet.json")
    file = context.folder / "frechet.png"
    frechet_png(sets, file)
    context.log.file(file, None)


def frechet_png(sets: Sequence[FrechetResult], path: Path) -> None:
    """Draw each distance against the number of clips that it is taken over."""
    figure = Figure(figsize=(3.6 * len(sets) + 0.4, 3.3), layout="constrained")
    for axes, found in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        points = found.trust.curve
        axes.errorbar(
            [point.clips for point in points],
            [point.mean for point in points],
            yerr=[point.std for point in points],
            fmt="o-",
            color=_COLOUR,
            markersize=4,
            capsize=2,
        )
        if math.isfinite(found.trust.at_infinity):
            axes.axhline(found.trust.at_infinity, color=_GREY, linewidth=0.8, linestyle="--")
            axes.axhspan(found.trust.low, found.trust.high, color=_GREY, alpha=0.15)
        note = f"{found.clips} clips, {found.dimensions} features"
        note += ": rank-deficient" if found.rank_deficient else ""
        axes.set_title(f"{found.name}\n{note}", fontsize=9)
        axes.set_xlabel("clips")
        axes.set_ylim(bottom=0)
    figure.supylabel("Fréchet distance", fontsize=9)
    figure.savefig(path, dpi=110)


def _numbers(found: FrechetResult) -> dict[str, float]:
    trust, blocks = found.trust, found.kernel_blocks
    numbers = {
        "standard_error": trust.standard_error,
        "at_infinity": trust.at_infinity,
        "low": trust.low,
        "high": trust.high,
    }
    if blocks is not None:
        numbers |= {"kernel_block_mean": blocks.mean, "kernel_block_std": blocks.std}
    return numbers


def _plain(value: object) -> object:
    """As JSON has it: no NaN, no infinity."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value
