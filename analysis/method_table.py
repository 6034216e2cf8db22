"""Numbers of methods side by side: those measured here, and those of the paper's Table 1."""

from collections.abc import Hashable, Mapping

import pandas as pd

from analysis import seeds
from analysis.looks import REFERENCES, evaluation_metrics, is_of_sets, metric_label
from analysis.methods import TRAINED, weights_label
from analysis.selection import Selection
from analysis.tables import MISSING, PAPER_NOTE, Column, Table, number
from odvae.paper import paper_rows
from odvae.vaes.methods import METHODS, OWN_SVD

COSTS = ("vcpr", "parameters_millions")

LEVELS_TO_BEAT = {
    "image_vae": "image VAE as it came",
    "reference/bicubic_8x": REFERENCES["reference/bicubic_8x"],
    "reference/mean_colour": REFERENCES["reference/mean_colour"],
}
"""References that are shown, by the prefix of their metrics."""

_VCPR_NOTE = "VCPR: pixels for a latent position, whatever the number of latent channels."
_BUDGET_NOTE = "Trained methods share image VAE, clips, steps and losses."
_OWN_DECODER_NOTE = (
    f"{OWN_SVD}: the image VAE's encoder, frozen, with a causal temporal decoder of odvae's own; "
    "not Stability's network."
)

_HEADS = {"vcpr": "VCPR", "parameters_millions": "parameters (M)", "lpips": "LPIPS ↓"}
_PAPER_METRICS = {"psnr": "psnr_db", "params": "parameters_millions"}  # by our names
_PAPER_SCORES = ("psnr_db", "ssim", "lpips")
_COLUMNS = (
    "source",
    "method",
    "weights",
    "dataset",
    "metric",
    "seeds",
    "mean",
    "low",
    "high",
    "mark",
)


def numbers(selection: Selection) -> pd.DataFrame:
    """Every number, a row each.

    Returns:
        Columns source (measured, reference or paper), method, weights, dataset, metric, seeds and
        the mean over them with its 95 % interval, low to high (NaN where there is none), and mark:
        what the number has to be read with.
    """
    parts = [_measured(selection), _references(selection), published()]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)[[*_COLUMNS]]


def published() -> pd.DataFrame:
    """The paper's Table 1, in the columns of ``numbers``."""
    rows = [
        {
            "method": row.method,
            "dataset": row.dataset,
            "metric": _PAPER_METRICS.get(row.metric, row.metric),
            "mean": row.value,
        }
        for row in paper_rows(table=1)
    ]
    return pd.DataFrame(rows, columns=[*_COLUMNS]).assign(source="paper", weights="of the paper")


def by_vcpr(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Methods with the same number of pixels for a latent position, the fewest pixels first."""
    ratios = rows[rows["metric"] == "vcpr"].set_index("method")["mean"]
    groups = {
        f"VCPR {ratio:.0f}": [str(name) for name in same.index]
        for ratio, same in ratios.groupby(ratios)
    }
    unknown = [str(name) for name in rows["method"].unique() if name not in ratios.index]
    return groups | ({"VCPR unknown": unknown} if unknown else {})


def notes(table: pd.DataFrame) -> list[str]:
    """What a reader of the rows of ``numbers`` has to know."""
    found = [PAPER_NOTE, _VCPR_NOTE]
    if (table["weights"] == TRAINED).any():
        found.append(_BUDGET_NOTE)
    if table["method"].str.startswith(OWN_SVD).any():
        found.append(_OWN_DECODER_NOTE)
    return found


def as_texts(table: pd.DataFrame) -> list[Table]:
    """The rows of ``numbers`` as tables of texts: ours, then the paper's."""
    note = " ".join(notes(table))
    return [_ours(table), _papers(table[table["source"] == "paper"], note=note)]


def cell(row: Mapping[Hashable, float], metric: str) -> str:
    """Mean and half of its interval, if it has one, with the digits that suit the metric."""
    return number(row["mean"], _digits(metric), half=(row["high"] - row["low"]) / 2)


def _measured(selection: Selection) -> pd.DataFrame:
    tags = selection.runs.table.drop_duplicates("method").set_index("method")
    weights = {
        name: weights_label({str(tag): value for tag, value in row.items()})
        for name, row in tags.iterrows()
    }
    scores = {name: f"eval/{name}" for name in evaluation_metrics(selection.metrics)}
    costs = {name: f"cost/{name}" for name in COSTS}
    table = pd.concat(
        seeds.summary(selection.last(name), ["level"]).assign(metric=metric)
        for metric, name in (scores | costs).items()
    ).rename(columns={"level": "method"})
    table.loc[table["metric"].isin(COSTS), ["low", "high"]] = float("nan")  # the same in all seeds
    table["weights"] = table["method"].map(weights)
    table["mark"] = table["metric"].map(selection.mark)
    return table.assign(source="measured", dataset=_clips(selection)).sort_values(
        "method", key=lambda names: names.map(selection.levels.index), kind="stable"
    )


def _references(selection: Selection) -> pd.DataFrame:
    rows = [
        {"method": name, "metric": metric, "mean": mean}
        for prefix, name in LEVELS_TO_BEAT.items()
        for metric in evaluation_metrics(selection.metrics)
        if pd.notna(mean := selection.level_of(f"{prefix}/{metric}"))
    ]
    table = pd.DataFrame(rows, columns=[*_COLUMNS])
    return table.assign(source="reference", weights="-", dataset=_clips(selection))


def _clips(selection: Selection) -> str:
    return f"{selection.setting['data']} {selection.setting['protocol']}"


def _ours(table: pd.DataFrame) -> Table:
    ours = table[table["source"] == "measured"]
    references = table[table["source"] == "reference"]
    scores = [name for name in ours["metric"].unique() if name not in COSTS]
    metrics = [*COSTS, *scores]
    names = [name for group in by_vcpr(ours).values() for name in group]
    names += list(references["method"].unique())
    both = pd.concat([ours, references])
    numbers_of = both.to_dict("records")
    cells = {(row["method"], row["metric"]): cell(row, row["metric"]) for row in numbers_of}
    weights = {row["method"]: row["weights"] for row in numbers_of}
    counts = both.groupby("method")["seeds"].max()
    marks = dict(zip(ours["metric"], ours["mark"], strict=True))
    titles = [f"{_title(metric)} {marks.get(metric, '')}".strip() for metric in metrics]
    return Table(
        caption=(
            "Reconstruction by method, measured. Mean over seeds ± half its 95 % interval "
            "(Student), from 3 seeds on."
        ),
        columns=tuple(map(Column, ["method", "weights", *titles, "seeds"])),
        rows=tuple(
            (
                name,
                weights[name],
                *(cells.get((name, metric), MISSING) for metric in metrics),
                number(counts[name], 0),
            )
            for name in names
        ),
    )


def _papers(paper: pd.DataFrame, *, note: str) -> Table:
    numbers_of = paper.to_dict("records")
    cells = {(n["method"], n["dataset"], n["metric"]): cell(n, n["metric"]) for n in numbers_of}
    keys = [("", name) for name in COSTS]
    keys += [(d, m) for d in paper["dataset"].unique() if d for m in _PAPER_SCORES]
    names = [name for group in by_vcpr(paper).values() for name in group]
    to_be_had = {row.paper_name: row.to_be_had for row in METHODS.values()}
    return Table(
        caption="The paper's Table 1 (arXiv 2409.01199v2), on its own data and protocol.",
        columns=(
            Column("method"),
            *(Column(_title(metric), dataset) for dataset, metric in keys),
            Column("can be measured"),
        ),
        rows=tuple(
            (
                name,
                *(cells[name, *key] for key in keys),
                "yes" if to_be_had[name] else "no: paper only",
            )
            for name in names
        ),
        note=note,
    )


def _title(metric: str) -> str:
    return _HEADS.get(metric) or metric_label(metric)


def _digits(metric: str) -> int:
    if metric == "vcpr":
        return 0
    return 2 if metric in ("psnr_db", "parameters_millions") or is_of_sets(metric) else 4
