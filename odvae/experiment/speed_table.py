"""The summary of benchmarks: a row a case."""

from collections.abc import Sequence

from rich.console import Console

from odvae.experiment.table import Summary, label
from odvae.tracking import LoggedRun

_SIDES = ("encode", "decode")
# What cases can differ in, in tags and in parameters, and how it is called.
_TAGS = {"operators": "operators", "precision": "precision", "accelerated": "accelerated"}
_TAGS |= {"tiling": "tiling", "hardware": "hardware", "weights": "weights"}
_PARAMS = {"model.width": "width", "model.blocks": "blocks", "benchmark.batch": "batch"}
_PARAMS |= {"data.clip_frames": "frames", "data.size_px": "px", "tiling.group_frames": "group"}
_PARAMS |= {"tiling.chunk_frames": "chunk", "tiling.tile_px": "tile px"}


def print_speeds(runs: Sequence[LoggedRun], console: Console) -> Summary:
    """Print a table, and below it what its rows share and why some have no numbers."""
    summary = speeds(runs)
    summary.print(console)
    alike = {n: "".join(values) for n, values in _settings(runs).items() if len(values) == 1}
    shared = [f"{name} {value}" for name, value in alike.items() if value]
    rates = [r.metrics.get("benchmark/machine_conv_gflops") for r in runs]
    known = sorted(rate for rate in rates if rate is not None)
    if known:
        ends = dict.fromkeys((f"{known[0]:.0f}", f"{known[-1]:.0f}"))
        shared.append(f"convolutions reach {' to '.join(ends)} GFLOP/s here")
    console.print(", ".join(shared), highlight=False, markup=False, soft_wrap=True)
    for run in runs:
        if run.tags.get("error"):
            reason = run.tags["error"].removeprefix("UserError: ")
            line = f"{run.name}: {reason}"
            console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
    return summary


def speeds(runs: Sequence[LoggedRun]) -> Summary:
    """A row a case; medians, with quartiles of the speeds; empty where nothing was measured."""
    differing = [name for name, values in _settings(runs).items() if len(values) > 1]
    columns = ["model", *differing, "parameters M"]
    for side in _SIDES:
        columns += [f"{side} clips/s", f"{side} quartiles", f"{side} ms/frame", f"{side} peak MB"]
        columns += [f"{side} GFLOP", f"{side} of best %"]
    rows = []
    for run in runs:
        of_run = _setting(run)
        row = [label(run), *(of_run[name] for name in differing)]
        row.append(_number(run, "parameters_millions", digits=2))
        for side in _SIDES:
            low = _number(run, f"{side}_clips_per_s_low", digits=3)
            high = _number(run, f"{side}_clips_per_s_high", digits=3)
            row += [
                _number(run, f"{side}_clips_per_s", digits=3),
                f"{low}-{high}" if low else "",
                _number(run, f"{side}_ms_per_frame", digits=1),
                _number(run, f"{side}_peak_mb", digits=0),
                _number(run, f"{side}_gflop", digits=1),
                _number(run, f"{side}_peak_fraction", digits=0, scale=100),
            ]
        rows.append(row)
    return Summary(columns, rows)


def _settings(runs: Sequence[LoggedRun]) -> dict[str, set[str]]:
    """By what cases can differ in: the values there are, empty where it does not apply."""
    by_run = [_setting(run) for run in runs]
    return {name: {setting[name] for setting in by_run} for name in by_run[0]}


def _setting(run: LoggedRun) -> dict[str, str]:
    tags = {name: run.tags.get(tag, "") for tag, name in _TAGS.items()}
    params = {name: run.params.get(param, "") for param, name in _PARAMS.items()}
    return tags | params


def _number(run: LoggedRun, name: str, *, digits: int, scale: float = 1) -> str:
    value = run.metrics.get(f"benchmark/{name}")
    return "" if value is None else f"{value * scale:.{digits}f}"
