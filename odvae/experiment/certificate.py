"""What a tiling costs a run: its reconstructions against those of whole clips.

Made after everything else, so that neither the time nor the memory of whole clips is in what the
run logs of the tiling.
"""

import csv
import io
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from odvae.experiment.context import Context
from odvae.experiment.evaluation import Bench
from odvae.inference import Tiling, TilingMode, find_seams
from odvae.metrics import Equivalence, EquivalenceResult
from odvae.model import VideoVAE


def certify(context: Context, bench: Bench, vae: VideoVAE) -> None:
    """Log how far the bench's reconstructions of the held-out clips are from the exact ones.

    A whole clip that does not fit into the memory of a GPU leaves a note instead.
    """
    tiling = context.config.tiling
    if tiling.mode is TilingMode.off or not tiling.certificate:
        return
    try:
        result = _compare(context, bench, vae)
    except torch.OutOfMemoryError:
        reason = "a whole clip does not fit into memory (tiling.certificate=false saves the try)"
        context.log.tags({"missing.certificate": reason})
        context.progress.note(f"no certificate of the tiling: {reason}")
        return
    log, path = context.log, context.folder / "seams.png"
    log.metrics({"tiling/max_abs_diff": result.max_abs_diff, "tiling/psnr_db": result.psnr_db}, 0)
    for name, profile in _profiles(result).items():
        for distance, error in profile.items():
            log.metrics({f"tiling/{name}": error}, step=distance)
    log.text(seams_csv(result), "seams.csv")
    seams_png(result, path, title=f"tiled against whole: {tiling.build()}")
    log.file(path, None)


def seams_csv(result: EquivalenceResult) -> str:
    """The profile: mean |difference| by distance from the nearest seam, in frames and in pixels."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["profile", "distance", "mean_abs_diff"])
    for name, profile in _profiles(result).items():
        table.writerows([name, distance, error] for distance, error in profile.items())
    return text.getvalue()


def seams_png(result: EquivalenceResult, path: Path, *, title: str) -> None:
    """Draw the profile."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    units = {"seam_error": "frames", "seam_error_px": "pixels"}
    profiles = _profiles(result)
    panels = figure.subplots(1, max(1, len(profiles)), squeeze=False, sharey=True)[0]
    for axes, (name, profile) in zip(panels, profiles.items(), strict=False):
        axes.plot(list(profile), list(profile.values()), "o-", markersize=3)
        axes.set_xlabel(f"{units[name]} from the nearest seam")
        axes.set_ylim(bottom=0)
    panels[0].set_ylabel("mean |whole - tiled| in [-1, 1]")
    figure.suptitle(
        f"{title}\nmax {result.max_abs_diff:.2g}, PSNR {result.psnr_db:.1f} dB", fontsize=9
    )
    figure.savefig(path, dpi=110)


def _compare(context: Context, bench: Bench, vae: VideoVAE) -> EquivalenceResult:
    data, heldout, progress = context.config.evaluation_data, context.heldout, context.progress
    seams = find_seams(vae, (data.clip_frames, data.size_px, data.size_px), bench.tiling)
    equivalence = Equivalence(
        frames=seams.frames, rows_px=seams.rows_px, columns_px=seams.columns_px
    )
    whole = replace(bench, tiling=Tiling.off())
    progress.stage("certificate", len(heldout))
    count = 0
    for ids, clips in heldout:
        equivalence.add(whole.reconstruct(vae, clips), bench.reconstruct(vae, clips))
        count += len(ids)
        progress.done(count)
    return equivalence.result()


def _profiles(result: EquivalenceResult) -> dict[str, dict[int, float]]:
    """By the name of their metric, those that have a seam."""
    profiles = {"seam_error": result.error_by_frames, "seam_error_px": result.error_by_px}
    return {name: profile for name, profile in profiles.items() if profile}
