"""The summary of generations: what the latents of each VAE cost a generator, and what it made."""

import math
from collections.abc import Iterable, Sequence

from rich.console import Console

from odvae.experiment.table import Summary, label, number, own_settings
from odvae.generation.generation_metrics import INCEPTION_SCORE, SUFFIX
from odvae.paper import paper_rows
from odvae.tracking import LoggedRun

FINGERPRINT_TAG, FACTS_TAG = "generation.protocol", "generation.facts"
DEFICIENT_TAG = "frechet_generation_rank_deficient"

_PREFIX = "generation/"
_SPEED, _MEMORY = "train_steps_per_s", "train_memory_mb"
# The paper's Table 2: the image VAE frame by frame, and what it proposes.
_PAPERS_SLOWEST, _PAPERS_OWN, _PAPERS_DATA = "SD-VAE", "OD-VAE", "UCF101"


def by_generation(runs: Sequence[LoggedRun]) -> dict[str, list[LoggedRun]]:
    """Runs that scored samples, by the fingerprint of how; only those of one compare."""
    groups: dict[str, list[LoggedRun]] = {}
    for run in runs:
        if fingerprint := run.tags.get(FINGERPRINT_TAG):
            groups.setdefault(fingerprint, []).append(run)
    return groups


def print_generations(runs: Sequence[LoggedRun], console: Console) -> dict[str, Summary]:
    """Print a table for each fingerprint, then what the paper found; returns them by name."""
    groups = by_generation(runs)
    printed = {}
    for fingerprint, same in groups.items():
        facts = same[0].tags.get(FACTS_TAG, "")
        _say(f"Generation protocol {fingerprint}: {facts}".removesuffix(": "), console)
        name = "generation" + (f"_{fingerprint}" if len(groups) > 1 else "")
        printed[name] = generations(same)
        printed[name].print(console)
    if groups:
        _say(papers_ratio(), console)
    return printed


def generations(runs: Sequence[LoggedRun]) -> Summary:
    """A row a run; empty where a number was not computed.

    Raises:
        ValueError: the runs are of several fingerprints, whose numbers do not compare.
    """
    found = {run.tags.get(FINGERPRINT_TAG, "") for run in runs}
    if len(found) > 1:
        raise ValueError(f"generations of several protocols do not compare: {sorted(found)}")
    own = own_settings(runs)
    others = ["other settings"] if any(own.values()) else []
    scores = [*distances(name for run in runs for name in run.metrics)]
    if any(_value(run, INCEPTION_SCORE) is not None for run in runs):
        scores.append(INCEPTION_SCORE)
    slowest = min(_known(runs, _SPEED), default=None)
    largest = max(_known(runs, _MEMORY), default=None)
    mark = " rank-deficient" if any(r.tags.get(DEFICIENT_TAG) == "True" for r in runs) else ""
    columns = ["run", "init", "seed", *others, "latents", "training it/s"]
    columns += ["times the slowest", "training MB", "of the largest", "validation loss"]
    columns += ["probe loss", *(name + mark * _is_frechet(name) for name in scores)]
    columns.append("PSNR dB to nearest training clip")
    rows = [
        [
            *(label(run), run.tags.get("init", ""), run.tags.get("seed", "")),
            *([own[run.run_id]] if others else []),
            run.tags.get("latents.shape", ""),
            number(_value(run, _SPEED), digits=2),
            number(_ratio(_value(run, _SPEED), slowest), digits=2),
            number(_value(run, _MEMORY), digits=0),
            number(_ratio(_value(run, _MEMORY), largest), digits=2),
            number(_value(run, "validation_loss"), digits=4),
            number(_value(run, "probe_validation_loss"), digits=4),
            *(number(_value(run, name), digits=_digits(name)) for name in scores),
            number(_value(run, "nearest_psnr_db"), digits=1),
        ]
        for run in runs
    ]
    return Summary(columns, rows)


def distances(names: Iterable[str]) -> list[str]:
    """Distances of samples from real clips among logged metrics: FVD first, Frechet before kernel.

    A distance is called after its features: ``fvd_generation`` is I3D's alone.
    """
    found = {name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)}
    found = {name for name in found if name.endswith(SUFFIX)}
    return sorted(found, key=lambda name: (not _is_frechet(name), len(name), name))


def papers_ratio() -> str:
    """What the paper's Table 2 says of the cost of a generator, in a line."""
    rows = paper_rows(table=2)
    values = {(r.method, r.metric): r.value for r in rows if r.dataset == _PAPERS_DATA}
    speed, slow = (values[name, "train_speed"] for name in (_PAPERS_OWN, _PAPERS_SLOWEST))
    memory, large = (values[name, "train_memory"] for name in (_PAPERS_OWN, _PAPERS_SLOWEST))
    return (
        f"The paper's Table 2 ({_PAPERS_DATA}): on {_PAPERS_OWN}'s latents a generator trains "
        f"{speed / slow:.2f} times as fast as on {_PAPERS_SLOWEST}'s ({speed:.2f}, {slow:.2f} "
        f"it/s), in {memory / large:.2f} of the memory ({memory:.0f}, {large:.0f} MB)."
    )


def _value(run: LoggedRun, name: str) -> float | None:
    return run.metrics.get(_PREFIX + name)


def _known(runs: Sequence[LoggedRun], name: str) -> list[float]:
    values = (_value(run, name) for run in runs)
    return [value for value in values if value is not None and math.isfinite(value) and value > 0]


def _ratio(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value / base


def _is_frechet(name: str) -> bool:
    return name.startswith(("fvd", "frechet"))


def _digits(name: str) -> int:
    """The scale of I3D's distances is of hundreds; that of others is not known."""
    known = ("fvd" + SUFFIX, "kvd" + SUFFIX, INCEPTION_SCORE)
    return 2 if name in known else 4


def _say(text: str, console: Console) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
