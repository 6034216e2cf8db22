"""Sets of runs that may be compared: they agree in all but what is compared, and the seed."""

from collections.abc import Iterator
from itertools import product
from typing import Literal

import pandas as pd

from analysis.run_table import OF_A_GENERATOR, PARAMS, TILING
from analysis.terms import TERMS
from odvae.vaes.methods import Method

Factor = Literal["variant", "init", "start", "model", "objective", "tiling"]

SETTING = (
    *("preset", "data", "operators", "tiling", "image_vae", "protocol", "setting"),
    *("precision", "device", "lpips_loss", *PARAMS),
    *("generation.protocol", "generator", *OF_A_GENERATOR),  # empty without one
)
"""What must be the same: numbers from different protocols or presets do not compare."""

# What was evaluated alike, however it was trained: the clips, their size and their tiles.
EVALUATION = ("data", "protocol", "tiling", "data.clip_frames", "data.size_px", *TILING)
# Of tilings: what was evaluated alike, but for the tiles.
_MODEL = ("model", "variant", "model.width", "precision", "device")
CLIPS = (*(name for name in EVALUATION if name not in ("tiling", *TILING)), *_MODEL)
# Both of these follow from the terms of an objective; the setting's hash follows from operators.
_OF_TERMS = ("setting", "lpips_loss")
_OF_OPERATORS = ("setting", "operators")
HELD: dict[Factor, tuple[str, ...]] = {
    "variant": ("init",),
    "init": ("variant",),
    "start": ("variant", "setting_but_operators"),
    "model": ("init",),
    "objective": ("variant", "init", "setting_but_terms"),
    "tiling": ("variant",),
}
"""Other factors, which are held."""

COLUMN: dict[Factor, str] = {
    "variant": "variant",
    "init": "init",
    "start": "start",
    "model": "method",
    "objective": "objective",
    "tiling": "cut",
}
"""Column of the table that holds the levels of a factor."""

# Of methods: how OD-VAE was chosen to start, its fullest variant and the one the paper chose.
_INIT = "tail"
_VARIANTS = ("1", "4")


def comparable_sets(table: pd.DataFrame, by: Factor) -> Iterator[pd.DataFrame]:
    """All sets of runs in which ``by`` may be compared, each run once."""
    for group in _groups(table, by):
        # A configuration that was run again counts once.
        yield group.sort_values("started").drop_duplicates([COLUMN[by], "seed"], keep="last")


def is_trained(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which runs trained what they scored."""
    return table["task"] == "train"


def is_evaluated(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which runs scored a saved model, or one that another run had trained."""
    return table["task"] == "evaluate"


def is_odvae(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which runs are of OD-VAE, the paper's method."""
    return table["model"] == Method.odvae.value


def _groups(table: pd.DataFrame, by: Factor) -> Iterator[pd.DataFrame]:
    match by:
        case "model":
            return _methods(table)
        case "objective":
            return _objectives(table)
        case "tiling":
            return _tilings(table)
        case "start":
            return _ablations(table, [*_but(_OF_OPERATORS), *HELD[by]])
        case "variant" | "init":
            return _ablations(table, [*SETTING, *HELD[by]])


def _but(left_out: tuple[str, ...]) -> list[str]:
    return [name for name in SETTING if name not in left_out]


def _ablations(table: pd.DataFrame, alike: list[str]) -> Iterator[pd.DataFrame]:
    """Trainings of OD-VAE that share the columns ``alike``."""
    trained = table[is_odvae(table) & is_trained(table)]
    return (group for _, group in trained.groupby(alike, sort=False))


def _objectives(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Trainings of OD-VAE with and without terms, each of which is shaped in one way only."""
    for group in _ablations(table, [*_but(_OF_TERMS), *HELD["objective"]]):
        for with_lpips, with_gan in product(*(_ways(group[list(f)]) for f in TERMS.values())):
            yield group[with_lpips & with_gan]


def _ways(fields: pd.DataFrame) -> "list[pd.Series[bool]]":
    """For each shape that a term has: the runs where it has that one, or takes no part."""
    without = (fields == "").all(axis="columns")
    shapes = fields[~without].drop_duplicates()
    if shapes.empty:
        return [without]
    return [without | (fields == shape).all(axis="columns") for _, shape in shapes.iterrows()]


def _methods(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Trainings of several methods at one budget, each with all evaluations of the same clips."""
    if "eval/psnr_db" not in table:
        return
    # Its operators are OD-VAE's own matter; that they agree, the setting's hash sees to.
    budget = [name for name in SETTING if name not in ("operators", *EVALUATION)]
    for _, same_clips in table.groupby(list(EVALUATION), sort=False):
        # A method that cannot be had leaves an evaluation without scores. Saved weights have no
        # seed: the newest evaluation of a method counts.
        evaluated = same_clips[is_evaluated(same_clips)]
        evaluated = evaluated.dropna(subset=["eval/psnr_db"]).assign(seed="")
        trained = same_clips[is_trained(same_clips) & _takes_part(same_clips)]
        yield evaluated
        for _, group in trained.groupby(budget, sort=False):
            yield pd.concat([group, evaluated])


def _tilings(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Evaluations of saved OD-VAEs on the same clips; of each operators, the most tiled one."""
    evaluated = table[is_odvae(table) & is_evaluated(table)]
    for _, same_clips in evaluated.groupby(list(CLIPS), sort=False):
        best: dict[str, pd.DataFrame] = {}
        for operators, weights in same_clips.groupby("operators", sort=False):
            for _, saved in weights.groupby("weights.sha256", sort=False):
                known = best.get(str(operators))
                if "off" in set(saved["tiling"]) and (known is None or _tiled(saved, known)):
                    best[str(operators)] = saved
        if best:
            yield pd.concat(best.values())


def _tiled(some: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether some runs show more tilings than others; of as many, the newer ones count."""

    def worth(runs: pd.DataFrame) -> tuple[int, float]:
        return runs["cut"].nunique(), runs["started"].max()

    return worth(some) > worth(other)


def _takes_part(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which trainings are compared with other methods; theirs may name no initialisation."""
    ours = is_odvae(table)
    return table["init"].isin([_INIT, ""]) & (~ours | table["variant"].isin(_VARIANTS))
