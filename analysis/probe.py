"""Whether the cheap probe ranks VAEs as the longer training of a generator does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kendalltau, spearmanr

from analysis import generated, page, recorded
from analysis.comparable import is_odvae
from analysis.labels import label_points
from analysis.looks import Look, looks, sample_distance_label, sample_distances
from analysis.runs import NoRuns, Runs

LOSS = "probe_validation_loss"
SHARE = "probe_latent_frechet_share"
_PROBES = {LOSS: "probe: validation loss", SHARE: "probe: latent Fréchet distance, share"}
_LOGGED_LOSS = f"generation/{LOSS}"
_VALIDATION = "validation_loss"
_LONG = r"^OD-VAE |,? ?saved weights| \(.*?\)"  # of names
_LEAST_VAES = 3  # that can be ranked at all
_LEAST_P = 0.001  # that is told
_PANEL_IN = 2.5
_MARGIN = 0.18  # around the points, for their names
_NOTE = (
    "Small points: runs. Large, named: means of a VAE over its seeds. Lower is easier for the "
    "probe, better for the generator. Rank correlations are of those means, n of them; p: that "
    "VAEs in no order correlate so much (Kendall, two-sided)."
)


@dataclass(frozen=True)
class RankCorrelation:
    """How alike two numbers rank VAEs; 1: the same order, -1: the reverse."""

    vaes: int
    kendall: float
    spearman: float
    p: float  # of Kendall's, if there is no order

    def __str__(self) -> str:
        if self.vaes < _LEAST_VAES:
            return f"n = {self.vaes}: too few to rank"
        numbers = f"Kendall {self.kendall:.2f}, Spearman {self.spearman:.2f}"
        p = f"p = {self.p:.2g}" if self.p >= _LEAST_P else f"p < {_LEAST_P}"
        return f"{numbers}, n = {self.vaes}, {p}"


def select(generations: Runs, *, only: Mapping[str, str] | None = None) -> Runs:
    """The runs with a probe whose generators and scores are alike, with a column ``vae``.

    Raises:
        NoRuns: there are none.
    """
    for some in filter(None, (generations, generations.recorded)):
        table = some.table.reindex(columns=some.table.columns.union([_LOGGED_LOSS], sort=False))
        sets = generated.of_one_task(table.dropna(subset=[_LOGGED_LOSS]), only=only)
        named = [_once(group.assign(vae=_names(group))) for group in sets]
        if named:
            return Runs(some.store, max(named, key=lambda rows: (rows["vae"].nunique(), len(rows))))
    raise NoRuns(f"no finished generations with a probe; make them: {generated.COMMANDS['model']}")


@style.context(page.STYLE)
def draw(runs: Runs, *, name: str, folder: str | Path) -> Path:
    """A row for each result of the longer training, a column for each number of the probe.

    Raises NoRuns when no run holds a result.
    """
    values = numbers(runs)
    names = [str(column) for column in values]
    probes = [name for name in names if name in _PROBES]
    results = [name for name in names if name not in ("vae", "seed", *_PROBES)]
    if not results:
        raise NoRuns("the chosen generations hold no results; start over with rerun=true")
    figure = Figure(figsize=(page.WIDTH_IN, _PANEL_IN * len(results)), layout="constrained")
    panels = figure.subplots(len(results), len(probes), squeeze=False, sharey="row", sharex="col")
    correlations = []
    for result, row in zip(results, panels, strict=True):
        row[0].set_ylabel(_label(result))
        for axes, probe in zip(row, probes, strict=True):
            found = rank_correlation(values, probe, result)
            _points(axes, values, probe, result)
            axes.set_title(str(found), loc="left")
            correlations.append({"probe": probe, "result": result, **vars(found)})
    for axes, probe in zip(panels[-1], probes, strict=True):
        axes.set_xlabel(_PROBES[probe])
    figure.draw_without_rendering()
    for result, row in zip(results, panels, strict=True):
        for axes, probe in zip(row, probes, strict=True):
            _name(axes, values, probe, result)
    source = recorded.source(runs.table["recorded_in"])
    table = runs.table.iloc[0]
    above = [
        f"Data {table['data']}, denoiser {table['denoiser.size']}, {table['generation.steps']} "
        f"steps. Generation protocol {table['generation.protocol']}: {table['generation.facts']}"
    ]
    title = "Does the probe rank VAEs as a longer training does?"
    page.captions(figure, title, above=above, below=_NOTE, source=source)
    written = pd.concat([values, pd.DataFrame(correlations)])
    return page.save(figure, written, source=source, name=name, folder=folder)


def numbers(runs: Runs) -> pd.DataFrame:
    """A row a run: vae, seed, what the probe found, then results of the longer training."""
    table = runs.table.dropna(axis="columns", how="all")
    distances = sample_distances(map(str, table))  # but for the first of the same features
    wanted = (*_PROBES, _VALIDATION, *distances[:1])
    return pd.DataFrame(
        {
            **{"vae": table["vae"], "seed": table["seed"]},
            **{
                name: table[f"generation/{name}"]
                for name in wanted
                if f"generation/{name}" in table
            },
        }
    )


def rank_correlation(values: pd.DataFrame, probe: str, result: str) -> RankCorrelation:
    """Between two columns of ``numbers``, of the means of each VAE."""
    both = values[["vae", probe, result]].dropna().groupby("vae")[[probe, result]].mean()
    if len(both) < _LEAST_VAES:
        return RankCorrelation(len(both), float("nan"), float("nan"), float("nan"))
    kendall = kendalltau(both[probe], both[result])
    spearman = spearmanr(both[probe], both[result])
    return RankCorrelation(
        len(both), float(kendall.statistic), float(spearman.statistic), float(kendall.pvalue)
    )


def _once(table: pd.DataFrame) -> pd.DataFrame:
    """The newest run of each VAE and seed."""
    return table.sort_values("started").drop_duplicates(["vae", "seed"], keep="last")


def _names(table: pd.DataFrame) -> "pd.Series[str]":
    """What tells the VAEs apart, in few words."""
    of_ours = table["init"].where(is_odvae(table), "")
    if of_ours[of_ours != ""].nunique() < 2:
        of_ours = of_ours.str[:0]
    short = table["method"].str.replace(_LONG, "", regex=True)
    return short + of_ours.map(lambda init: f", {init}" if init else "")


def _points(axes: Axes, values: pd.DataFrame, probe: str, result: str) -> None:
    """Runs, and means of the VAEs."""
    for vae, look in _looks(values).items():
        own = values[values["vae"] == vae]
        axes.scatter(own[probe], own[result], s=6, color=look.colour, alpha=0.6, linewidth=0)
        mean = (own[probe].mean(), own[result].mean())
        axes.plot(*mean, look.marker, color=look.colour, markersize=5)
    axes.margins(_MARGIN)


def _name(axes: Axes, values: pd.DataFrame, probe: str, result: str) -> None:
    means = values.dropna(subset=[probe, result]).groupby("vae")[[probe, result]].mean()
    chosen = _looks(values)
    label_points(
        axes,
        [str(vae) for vae in means.index],
        list(zip(means[probe], means[result], strict=True)),
        colours=[chosen[str(vae)].colour for vae in means.index],
        beside=zip(values[probe], values[result], strict=True),
    )


def _looks(values: pd.DataFrame) -> dict[str, Look]:
    return looks("vae", values["vae"].unique())


def _label(result: str) -> str:
    return "validation loss ↓" if result == _VALIDATION else sample_distance_label(result)
