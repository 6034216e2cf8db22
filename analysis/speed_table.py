"""Benchmarks as a table, a row a case, with the quality of the same model and the paper's speed."""

from collections.abc import Mapping

import pandas as pd

from analysis import recorded
from analysis.methods import model_label
from analysis.runs import NoRuns, Runs
from odvae.paper import paper_rows
from odvae.vaes.methods import RANDOM, Method

COMMAND = "python -m odvae.run -m task=benchmark variant=1,2,3,4 benchmark.accelerate=false,true"
SIDES = ("encode", "decode")

# Speeds compare on one machine, of clips of one size.
ALIKE = ("hardware", "data.clip_frames", "data.size_px", "benchmark.batch")
# What tells cases apart; of these, the model and how it is called have to be the quality's too.
_MODEL = ("model", "variant", "operators", "model.width", "model.blocks", "tiling")
_CASE = (*_MODEL, "precision", "accelerated", "weights", "tiling.group_frames")
_START = ("tail", "")  # the quality of a model is that of the paper's initialisation
_PAPER = {"encode_speed": "paper_encode_clips_per_s", "train_speed": "paper_train_steps_per_s"}


def comparable(benchmarks: Runs, only: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The newest benchmark of each case, of the largest set on one machine and of one clip size.

    Where there is none, of those recorded; each record is a set of its own.

    Args:
        benchmarks: all of them.
        only: columns and the values they must have; benchmarks have no others.

    Raises:
        NoRuns: there are none.
    """
    for some in filter(None, (benchmarks, benchmarks.recorded)):
        table = some.table
        for name, value in (only or {}).items():
            if name in (*ALIKE, *_CASE):
                table = table[table[name] == value]
        sets = [
            group.sort_values("started").drop_duplicates([*_CASE], keep="last")
            for _, group in table.groupby([*ALIKE, table["recorded_in"].map(str)], sort=False)
        ]
        if sets:
            return max(sets, key=lambda group: (len(group), group["started"].max()))
    raise NoRuns(f"no benchmarks yet; make them: {COMMAND}")


def cases(benchmarks: pd.DataFrame, models: Runs) -> pd.DataFrame:
    """A row a case, in the order to show them.

    Args:
        benchmarks: comparable ones.
        models: trained and evaluated runs of the same store.

    Returns:
        Columns case (its name), base (the same without acceleration), those that tell cases apart,
        what was measured, psnr_db (NaN where no run of this model was scored), quality (which
        clips), recorded_in, and for plain variants the paper's Table 3.
    """
    table = benchmarks.copy()
    differing = {name for name in _CASE if len(set(table[name]) - {""}) > 1}
    table["base"] = [_name(row, differing) for row in table.to_dict("records")]
    is_fast = table["accelerated"] == "true"
    table["case"] = table["base"] + is_fast.map({True: ", accelerated", False: ""})
    is_recorded = bool(recorded.source(table["recorded_in"]))
    alongside = models.recorded if is_recorded and models.recorded is not None else models
    table["psnr_db"], table["quality"] = _quality(table, alongside.table)
    table = _beside_the_paper(table)
    table = table.rename(columns=lambda name: str(name).removeprefix("benchmark/"))
    measured = [name for name in table if str(name).startswith((*SIDES, "machine", "parameters"))]
    papers = [name for name in table if str(name).startswith("paper")]
    columns = ["case", "base", *_CASE, *ALIKE, *measured, "psnr_db", "quality", "recorded_in"]
    order = {method.value: place for place, method in enumerate(Method)}
    return table.sort_values(
        ["model", "base", "accelerated"],
        key=lambda column: column.map(order) if column.name == "model" else column,
        ignore_index=True,
    )[[*columns, *papers]]


def _name(row: Mapping[object, object], differing: set[str]) -> str:
    """What sets a case apart from the others, acceleration left aside."""
    tags = {str(name): str(value) for name, value in row.items()}
    words = [model_label(tags)]
    if "model.width" in differing and tags["model.width"]:
        words.append(f"width {tags['model.width']}")
    if "model.blocks" in differing and tags["model.blocks"]:
        words.append(f"blocks {tags['model.blocks']}")
    if "precision" in differing:
        words.append(tags["precision"])
    if tags["tiling"] != "off":
        group = tags["tiling.group_frames"]
        words.append(f"tiling {tags['tiling']}" + (f" of {group} frames" if group else ""))
    if "weights" in differing and tags["weights"] != RANDOM:
        words.append("given weights")
    return ", ".join(words)


def _quality(table: pd.DataFrame, models: pd.DataFrame) -> tuple[list[float], list[str]]:
    """PSNR of each case on the clips that most of them were scored on, and which clips those are.

    Seeds are averaged; of several trainings or evaluations of a model the newest counts.
    """
    none = [float("nan")] * len(table)
    best: tuple[int, list[float], str] = (0, none, "")
    keys = [_identity(row) for row in table.to_dict("records")]
    for clips, same in _scored(models).groupby(["data", "protocol"], sort=False):
        by_model: dict[str, float] = {}
        together = ["key", "task", "setting", "weights"]  # but for the seed
        for group in sorted(
            (group for _, group in same.groupby(together)), key=lambda group: group["started"].max()
        ):
            by_model[str(group["key"].iloc[0])] = float(group["eval/psnr_db"].mean())
        values = [by_model.get(key, float("nan")) for key in keys]
        found = sum(key in by_model for key in keys)
        if found > best[0]:
            best = found, values, " ".join(map(str, clips))
    return best[1], [best[2] if pd.notna(value) else "" for value in best[1]]


def _scored(models: pd.DataFrame) -> pd.DataFrame:
    """Runs with a score, and which model each is of; of trainings, those of the paper's start."""
    if "eval/psnr_db" not in models:
        return models.iloc[:0].assign(key="")
    scored = models.dropna(subset=["eval/psnr_db"])
    scored = scored[(scored["task"] != "train") | scored["init"].isin(_START)]
    return scored.assign(key=[_identity(row) for row in scored.to_dict("records")])


def _identity(row: Mapping[object, object]) -> str:
    """What quality and speed must agree in: what it is, its sizes where we choose them."""
    is_ours = bool(row["operators"])
    names = (n for n in _MODEL if is_ours or n not in ("model.width", "model.blocks"))
    return " ".join(f"{name}={row[name]}" for name in names)


def _beside_the_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Add the paper's Table 3 to the plain variants with the released operators."""
    ours = (table["model"] == Method.odvae.value) & (table["operators"] == "paper")
    plain = ours & (table["accelerated"] != "true") & (table["tiling"] == "off")
    known = {(row.method, row.metric): row.value for row in paper_rows(table=3)}
    for metric, column in _PAPER.items():
        values = [known.get((f"variant {variant}", metric)) for variant in table["variant"]]
        table[column] = pd.Series(values, index=table.index, dtype=float).where(plain)
    return table
