"""One picture of the latents of a model: channels, their correlation, time, spectrum."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from odvae.experiment.plot import COLOURS
from odvae.metrics.latent_summary import LatentReport
from odvae.metrics.spectrum import FINE_FREQUENCY, Spectrum
from odvae.model import LatentScaling

_BLUE, _ORANGE, _GREEN, _RED, *_ = COLOURS
_GREY = "0.75"  # of single channels
_MOST_WRITTEN = 8  # channels whose correlations are also written as numbers


def latents_png(report: LatentReport, path: Path, *, own: LatentScaling) -> None:
    """Draw a report; ``own`` is the scaling that the VAE comes with."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    ((of_mean, of_kl, of_correlation), (of_time, of_frames, of_spectrum)) = figure.subplots(2, 3)
    _draw_means(of_mean, report)
    _draw_kl(of_kl, report)
    _draw_correlation(figure, of_correlation, report)
    _draw_autocorrelation(of_time, report)
    _draw_frames(of_frames, report)
    _draw_spectrum(of_spectrum, report.spectrum)
    channels, frames, height, width = report.shape
    figure.suptitle(
        f"latents of {report.clips} clips: {channels} channels of {frames} x {height} x {width}; "
        f"fitted scale {report.fitted.scale[0]:.4g}; std {report.std_under(own):.3g} under the "
        "model's own scaling",
        fontsize=11,
    )
    figure.savefig(path, dpi=110)


def _draw_means(axes: Axes, report: LatentReport) -> None:
    mean, numbers = report.mean.numpy(), np.arange(len(report.mean))
    spreads = {"mean ± std of latents": report.std.numpy()}
    if report.posterior is not None:
        spreads["mean ± std of posterior"] = report.posterior.std.numpy()
    axes.axhline(0, color=_GREY, linewidth=0.8)
    width = 0.8 / len(spreads)
    for place, (label, spread) in enumerate(spreads.items()):
        left = numbers - 0.4 + place * width
        axes.bar(
            left, 2 * spread, width, mean - spread, align="edge", color=COLOURS[place], label=label
        )
    axes.hlines(mean, numbers - 0.4, numbers + 0.4, color="black", linewidth=1)
    axes.use_sticky_edges = False
    axes.margins(y=0.25)  # room for the legend
    _by_channel(axes, len(mean))
    axes.set(ylabel="latent value", title="mean and spread by channel")
    axes.legend(fontsize=8, loc="upper center", ncols=2, handlelength=1, columnspacing=1)


def _draw_kl(axes: Axes, report: LatentReport) -> None:
    if report.posterior is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "deterministic:\nno posterior, no KL", ha="center", va="center")
        return
    kl, dead = report.posterior.kl.tolist(), report.dead
    colours = [_RED if number in dead else _BLUE for number in range(len(kl))]
    axes.bar(np.arange(len(kl)), kl, color=colours)
    for number in dead:
        height = kl[number]
        axes.text(number, height, " dead", ha="center", va="bottom", rotation=90, color=_RED)
    _by_channel(axes, len(kl))
    axes.set(ylabel="nats per latent value", title="KL to the unit normal")


def _draw_correlation(figure: Figure, axes: Axes, report: LatentReport) -> None:
    matrix = report.correlation.numpy()
    image = axes.imshow(matrix, cmap="PuOr", vmin=-1, vmax=1)
    axes.set_facecolor(_GREY)  # shows where there is none
    if len(matrix) <= _MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.6 else "black"
            written = f"{value:.2f}" if np.isfinite(value) else "-"
            axes.text(column, row, written, ha="center", va="center", color=colour, fontsize=8)
    _by_channel(axes, len(matrix))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylabel="channel", title="correlation of channels")
    figure.colorbar(image, ax=axes)


def _draw_autocorrelation(axes: Axes, report: LatentReport) -> None:
    lags, after_first = report.autocorrelation, report.autocorrelation_after_first
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.plot(lags.T.numpy(), color=_GREY, linewidth=0.8)
    axes.plot([], color=_GREY, linewidth=0.8, label="each channel")
    axes.plot(lags.nanmean(dim=0).numpy(), "o-", color=_BLUE, markersize=4, label="mean")
    if after_first.shape[1] > 1:
        later = after_first.nanmean(dim=0).numpy()
        axes.plot(later, "s--", color=_ORANGE, markersize=4, label="mean, without frame 0")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="lag (latent frames)", ylabel="correlation", title="autocorrelation in time")
    axes.set_ylim(top=1.05)
    axes.legend(fontsize=8)


def _draw_frames(axes: Axes, report: LatentReport) -> None:
    std = report.std_by_frame
    together = std.square().mean(dim=0).sqrt()
    axes.plot(std.T.numpy(), color=_GREY, linewidth=0.8)
    axes.plot([], color=_GREY, linewidth=0.8, label="each channel")
    axes.plot(together.numpy(), "o-", color=_BLUE, markersize=4, label="root mean square")
    axes.plot(together[:1].numpy(), "o", color=_RED, markersize=7, label="frame 0")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="latent frame", ylabel="std", title="std by latent frame")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def _draw_spectrum(axes: Axes, spectrum: Spectrum) -> None:
    frequencies, densities = spectrum.frequencies, spectrum.densities
    axes.loglog(frequencies, densities, "o-", color=_BLUE, markersize=4)
    fitted = [spectrum.line(frequency) for frequency in frequencies]
    axes.loglog(frequencies, fitted, "--", color=_ORANGE, label=f"slope {spectrum.slope:.2f}")
    axes.axhline(1, color=_GREY, linewidth=0.8)
    label = f"above 1/4: {100 * spectrum.high_frequency_share:.0f}% of the power"
    axes.axvspan(FINE_FREQUENCY, max([0.5, *frequencies]), color=_GREEN, alpha=0.12, label=label)
    positive = [density for density in densities if density > 0]
    axes.set_ylim(min([0.5, *positive]) / 1.5, max([2, *positive]) * 1.5)
    lowest = min([0.25, *frequencies])
    halvings = [number for number in range(1, 8) if 2**-number > 0.7 * lowest]
    axes.set_xticks([2**-n for n in halvings], labels=[f"1/{2**n}" for n in halvings])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel="frequency (cycles per latent)",
        ylabel="power (white noise: 1)",
        title="spectrum within frames",
    )
    axes.legend(fontsize=8)


def _by_channel(axes: Axes, channels: int) -> None:
    axes.set_xlabel("channel")
    axes.set_xlim(-0.5, channels - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
