"""What a run tells about the latents of its model: metrics, tables, a picture."""

import csv
import io
import json
import math

import torch

from odvae.config import Task
from odvae.experiment.context import Context
from odvae.experiment.evaluation import Bench
from odvae.experiment.latent_picture import latents_png
from odvae.inference import encode, fitted
from odvae.metrics.latent_summary import LatentReport
from odvae.metrics.latents import LatentStatistics
from odvae.model import LatentScaling, VideoVAE


def report_latents(context: Context, bench: Bench, vae: VideoVAE) -> None:
    """Log what the latents of the held-out clips look like; each clip is encoded once.

    They are encoded as for the scores: under the bench's tiling, in float32.
    """
    report = _encode(context, bench, vae)
    log, own, path = context.log, vae.latent_scaling, context.folder / "latents.png"
    step = context.config.train.steps if context.config.task is Task.train else 0
    context.log_scores("latent", report.values() | {"own_std": report.std_under(own)}, step=step)
    for name, values in report.series().items():
        for position, value in enumerate(values):
            log.metrics({f"latent/{name}": value}, step=position)
    log.text(latents_json(report, own), "latents.json")
    log.text(channels_csv(report, own), "latents.csv")
    latents_png(report, path, own=own)
    log.file(path, None)


def latents_json(report: LatentReport, own: LatentScaling) -> str:
    """All of it. What is no number (a correlation with a constant) is null."""
    spectrum = report.spectrum
    facts = {
        "clips": report.clips,
        "shape": dict(zip(("channels", "frames", "height", "width"), report.shape, strict=True)),
        "values": report.values(),
        "dead_channels": report.dead,
        "scaling": {
            "own": _scaling(own) | {"std": report.std_under(own)},
            "fitted": _scaling(report.fitted),
            "fitted_by_channel": _scaling(report.fitted_by_channel),
        },
        "by_channel": _by_channel(report, own),
        "correlation": report.correlation.tolist(),
        "std_by_channel_and_frame": report.std_by_frame.tolist(),
        "autocorrelation_by_channel_and_lag": report.autocorrelation.tolist(),
        "autocorrelation_after_first": report.autocorrelation_after_first.tolist(),
        "spectrum": {
            "cycles_per_latent": spectrum.frequencies,
            "power_share": spectrum.shares,
            "power_over_white_noise": spectrum.densities,
            "slope": spectrum.slope,
            "high_frequency_share": spectrum.high_frequency_share,
        },
    }
    return json.dumps(_with_nulls(facts), indent=1, allow_nan=False)


def channels_csv(report: LatentReport, own: LatentScaling) -> str:
    """A row a channel; the KL in nats per latent value."""
    columns = _by_channel(report, own)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["channel", *columns])
    for channel, row in enumerate(zip(*columns.values(), strict=True)):
        table.writerow([channel, *row])
    return text.getvalue()


def _encode(context: Context, bench: Bench, vae: VideoVAE) -> LatentReport:
    heldout, progress = context.heldout, context.progress
    statistics = LatentStatistics()
    progress.stage("latents", len(heldout))
    count = 0
    for ids, clips in heldout:
        with torch.inference_mode():
            on_device = fitted(vae, clips.to(bench.arithmetic.device))
            statistics.add(encode(vae, on_device, bench.tiling))
        count += len(ids)
        progress.done(count)
    return statistics.result()


def _by_channel(report: LatentReport, own: LatentScaling) -> dict[str, list[float]]:
    """Columns by name, all as long as there are channels."""
    channels = len(report.mean)
    columns: dict[str, list[float]] = {"mean": report.mean.tolist(), "std": report.std.tolist()}
    if report.posterior is not None:
        columns["posterior_std"] = report.posterior.std.tolist()
        columns["kl"] = report.posterior.kl.tolist()
        columns["kl_share"] = report.posterior.kl_share.tolist()
    columns["dead"] = [int(channel in report.dead) for channel in range(channels)]
    for name, scaling in {"fitted": report.fitted_by_channel, "own": own}.items():
        columns[f"{name}_scale"] = _spread(scaling.scale, channels)
        columns[f"{name}_shift"] = _spread(scaling.shift, channels)
    return columns


def _spread(values: tuple[float, ...], channels: int) -> list[float]:
    """One for all channels, or one each, as one each."""
    return [*values] * (channels // len(values))


def _scaling(scaling: LatentScaling) -> dict[str, object]:
    return {"scale": [*scaling.scale], "shift": [*scaling.shift]}


def _with_nulls(value: object) -> object:
    """JSON knows neither NaN nor infinity."""
    match value:
        case dict():
            return {key: _with_nulls(inner) for key, inner in value.items()}
        case list():
            return [_with_nulls(inner) for inner in value]
        case float() if not math.isfinite(value):
            return None
    return value
