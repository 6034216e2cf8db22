"""What generating from the latents of each method gives and costs, in numbers and as texts."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis import generated, seeds
from analysis.looks import level_label, sample_distance_label, sample_distances
from analysis.selection import Selection
from analysis.tables import MISSING, PAPER_NOTE, Column, Table, number
from odvae.paper import paper_rows
from odvae.vaes.methods import Method, rival_label

SPEED, MEMORY = "train_steps_per_s", "train_memory_mb"
FVD, KVD, INCEPTION_SCORE = "fvd_generation", "kvd_generation", "inception_score"

_RATIO = "_ratio"
_PAPER_METRICS = {
    **{"fvd": FVD, "kvd": KVD, "is": INCEPTION_SCORE, "train_memory": MEMORY},
    "train_speed": SPEED,
}  # by our names
_TABLE_2, _TABLE_3 = "Table 2", "Table 3"
_PAPER_BASE = {"model": "SD-VAE", "variant": "variant 1"}
BASE_WORDS = {"model": "image VAE", "variant": "variant 1"}  # of what ratios are to
# Distances of samples stand in between.
_BEFORE = ("latent_values", "validation_loss")
_AFTER = (INCEPTION_SCORE, "nearest_psnr_db", SPEED, SPEED + _RATIO, MEMORY, MEMORY + _RATIO)
_ALIKE = ("latent_values", MEMORY)  # in all seeds
_TITLES = {
    "latent_values": "latent values",
    "validation_loss": "validation loss\N{NO-BREAK SPACE}↓",
    FVD: "FVD ↓",
    KVD: "KVD ↓",
    INCEPTION_SCORE: "IS ↑",
    "nearest_psnr_db": "PSNR to nearest",
    SPEED: "training it/s",
    SPEED + _RATIO: "times {}",
    MEMORY: "training MB",
    MEMORY + _RATIO: "times {}",
}
_DIGITS = {
    **{"latent_values": 0, FVD: 2, KVD: 2, INCEPTION_SCORE: 2, "nearest_psnr_db": 1},
    **{SPEED: 2, SPEED + _RATIO: 2, MEMORY: 0, MEMORY + _RATIO: 2},
}
_COLUMNS = (
    *("source", "protocol", "by", "method", "dataset", "metric"),
    *("seeds", "mean", "low", "high", "mark"),
)
_READING = (
    "Latent values: numbers of a clip that the generator models. Validation loss: error of the "
    "predicted noise per latent value, on held-out clips. PSNR to nearest (dB): of a sample to the "
    "most similar clip that trains, as that VAE reconstructs it; of a copy it would be high."
)
_DEFICIENT = "Rank-deficient: no more clips than features, so compare as many clips only."


def base_level(selection: Selection) -> str:
    """The level that speed and memory are held against; empty where there is none."""
    if selection.by == "variant":
        return "1" if "1" in selection.levels else ""
    image_vae = rival_label({"model": Method.sd_vae.value})
    return next((one for one in selection.levels if one.startswith(image_vae)), "")


def numbers(selections: Sequence[Selection]) -> pd.DataFrame:
    """Every number, a row each: those measured, by generation protocol, then the paper's.

    Returns:
        Columns source (measured or paper), protocol (its fingerprint; of the paper's the table),
        by (what differs), method, dataset, metric, seeds and the mean over them with its 95 %
        interval, low to high, and mark: what the number has to be read with. Metrics that end in
        ``_ratio`` are of means, to those of the image VAE frame by frame or of variant 1.
    """
    parts = [_measured(one) for one in selections]
    parts += [_published(_TABLE_2, by="model"), _published(_TABLE_3, by="variant")]
    return pd.concat(parts, ignore_index=True).reindex(columns=[*_COLUMNS])


def as_texts(table: pd.DataFrame) -> list[Table]:
    """The rows of ``numbers`` as tables of texts: ours, one a protocol, then the paper's."""
    measured, paper = table[table["source"] == "measured"], table[table["source"] == "paper"]
    table_2, table_3 = paper[paper["by"] == "model"], paper[paper["by"] == "variant"]
    texts = []
    for name, rows in measured.groupby("protocol", sort=False):
        beside = table_3[table_3["method"].isin(rows["method"])]
        beside = beside.assign(dataset=f"the paper's {_TABLE_3}, " + beside["dataset"])
        caption = f"Generation protocol {name}, measured."
        texts.append(_table(pd.concat([rows, beside]), caption=caption, with_seeds=True))
    caption = f"The paper's {_TABLE_2} (arXiv 2409.01199v2), on its own data and GPU."
    return [*texts, replace(_table(table_2, caption=caption), note=_note(table))]


def _note(table: pd.DataFrame) -> str:
    """What a reader of the rows of ``numbers`` has to know."""
    if not (table["source"] == "measured").any():
        return f"Measured: no runs yet; make them: {generated.COMMANDS['model']}. {PAPER_NOTE}"
    is_marked = (table["mark"].fillna("") != "").any()
    return " ".join([seeds.WORDS, _READING, *([_DEFICIENT] if is_marked else []), PAPER_NOTE])


def _measured(selection: Selection) -> pd.DataFrame:
    levels = selection.levels
    metrics = [*_BEFORE, *sample_distances(selection.metrics), *_AFTER]
    table = pd.concat(
        seeds.summary(selection.last(f"generation/{metric}"), ["level"]).assign(
            metric=metric, mark=selection.mark(metric)
        )
        for metric in metrics
    ).sort_values("level", key=lambda column: column.map(levels.index), kind="stable")
    table.loc[table["metric"].isin(_ALIKE), ["low", "high"]] = float("nan")
    return _with_ratios(
        table.assign(method=table["level"], dataset=selection.setting["data"]),
        base=base_level(selection),
    ).assign(
        source="measured",
        protocol=selection.setting["generation.protocol"],
        by=selection.by,
        method=lambda rows: rows["method"].map(lambda one: level_label(selection.by, one)),
    )


def _published(name: str, *, by: str) -> pd.DataFrame:
    """What the paper says of generators in one of its tables, in the columns of ``numbers``."""
    rows = [
        {"method": row.method, "dataset": row.dataset, "metric": metric, "mean": row.value}
        for row in paper_rows(table=int(name.removeprefix("Table ")))
        if (metric := _PAPER_METRICS.get(row.metric)) is not None
    ]
    table = _with_ratios(pd.DataFrame(rows, columns=[*_COLUMNS]), base=_PAPER_BASE[by])
    return table.assign(source="paper", protocol=name, by=by)


def _with_ratios(rows: pd.DataFrame, *, base: str) -> pd.DataFrame:
    """The rows, and below them those of speed and memory over what the base has, if it has any."""
    found = [rows]
    for (_, metric), own in rows.groupby(["dataset", "metric"], sort=False):
        of_base = own.loc[own["method"] == base, "mean"]
        if metric in (SPEED, MEMORY) and len(of_base):
            ratios = own[["method", "dataset"]].assign(mean=own["mean"] / of_base.iloc[0])
            found.append(ratios.assign(metric=f"{metric}{_RATIO}", mark=""))
    return pd.concat(found, ignore_index=True)


def _table(rows: pd.DataFrame, *, caption: str, with_seeds: bool = False) -> Table:
    keys = sorted(
        dict.fromkeys(zip(rows["dataset"], rows["metric"], strict=True)),
        key=lambda key: (list(rows["dataset"].unique()).index(key[0]), _place(key[1])),
    )
    cells = {
        (row["method"], row["dataset"], row["metric"]): number(
            row["mean"], _DIGITS.get(row["metric"], 4), half=(row["high"] - row["low"]) / 2
        )
        for row in rows.to_dict("records")
    }
    base = BASE_WORDS.get(str(rows["by"].iloc[0]), "")
    marks = dict(zip(rows["metric"], rows["mark"].fillna(""), strict=True))
    titles = [
        f"{_TITLES.get(metric) or sample_distance_label(metric)} {marks[metric]}".strip()
        for _, metric in keys
    ]
    counts = rows.groupby("method")["seeds"].max()
    columns = [Column(t.format(base), d) for t, (d, _) in zip(titles, keys, strict=True)]
    return Table(
        caption=caption,
        columns=(Column("method"), *([Column("seeds")] if with_seeds else []), *columns),
        rows=tuple(
            (
                method,
                *([number(counts[method], 0)] if with_seeds else []),
                *(cells.get((method, *key), MISSING) for key in keys),
            )
            for method in rows["method"].unique()
        ),
    )


def _place(metric: str) -> tuple[int, int]:
    """Where a metric stands in a table; distances keep their own order."""
    if metric in _BEFORE:
        return 0, _BEFORE.index(metric)
    return (2, _AFTER.index(metric)) if metric in _AFTER else (1, 0)
