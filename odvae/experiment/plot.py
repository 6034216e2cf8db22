"""The plot that a sweep leaves in the store: PSNR by model and initialisation."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from matplotlib.figure import Figure

from odvae.experiment.protocols import fingerprint
from odvae.experiment.table import label, own_settings
from odvae.tracking import LoggedRun

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")


def comparison_png(runs: Sequence[LoggedRun], path: Path) -> None:
    """Draw the PSNR of every run as a point, its step-0 PSNR hollow, and the mean over seeds.

    Raises:
        ValueError: the runs are of several protocols, whose numbers do not compare.
    """
    fingerprint(runs)
    by_init: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    own = own_settings(runs)
    for run in runs:
        if "eval/psnr_db" in run.metrics:
            at_start = run.metrics.get("zero_step/psnr_db", float("nan"))
            series = f"{run.tags.get('init', '?')} {own[run.run_id]}".strip()
            by_init[series][label(run)].append((at_start, run.metrics["eval/psnr_db"]))
    models = sorted({model for rows in by_init.values() for model in rows})
    figure = Figure(figsize=(1.6 + 1.2 * max(len(models), 2), 3.6), layout="constrained")
    axis = figure.subplots()
    for number, (init, rows) in enumerate(sorted(by_init.items())):
        shift = 0.7 * ((number + 0.5) / len(by_init) - 0.5)
        colour = COLOURS[number % len(COLOURS)]
        for model, values in rows.items():
            x = models.index(model) + shift
            before = [at_start for at_start, _ in values]
            after = [at_end for _, at_end in values]
            axis.hlines(mean(after), x - 0.12, x + 0.12, color=colour, linewidth=2)
            axis.plot([x] * len(values), after, "o", color=colour, alpha=0.7, markersize=5)
            axis.plot([x] * len(values), before, "o", color=colour, mfc="none", markersize=5)
        axis.plot([], [], "o", color=colour, label=init)
    levels = {"image_vae": "image VAE", "reference/bicubic_8x": "bicubic 8x"}
    for name, words in levels.items():
        level = next(
            (r.metrics[f"{name}/psnr_db"] for r in runs if f"{name}/psnr_db" in r.metrics), None
        )
        if level is not None:
            axis.axhline(level, color="0.5", linewidth=0.8, linestyle="--")
            axis.text(len(models) - 0.5, level, f" {words}", va="center", fontsize=8, color="0.35")
    axis.set_xticks(range(len(models)), models)
    axis.set_xlim(-0.5, len(models) - 0.5)
    axis.set_ylabel("PSNR on held-out clips (dB)")
    axis.plot([], [], "o", color="0.4", mfc="none", label="at step 0")
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    figure.savefig(path, dpi=140)
