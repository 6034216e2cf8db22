"""From values of several seeds to a mean and how sure it is."""

import pandas as pd

from odvae.experiment.student import half_width

WORDS = "Mean over seeds ± half its 95 % interval (Student), from 3 seeds on."
NOTE = "Small points: seeds. Large: mean, with its 95 % interval (Student) from 3 seeds on."


def summary(values: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and its 95 % interval over the seeds, for each combination of the columns ``by``.

    Args:
        values: a row a seed, with the columns ``by`` and ``value``.
        by: columns that say what a value belongs to.

    Returns:
        Columns ``by``, seeds, mean, low, high; low and high are NaN below three seeds.
    """
    groups = values.groupby(by, sort=False)["value"]
    table = groups.agg(seeds="count", mean="mean", deviation="std").reset_index()
    half = half_width(table.pop("deviation"), table["seeds"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def differences(values: pd.DataFrame, *, baseline: str) -> pd.DataFrame:
    """Values (columns level, seed, value) less those of the baseline level with the same seed."""
    base = values[values["level"] == baseline][["seed", "value"]]
    paired = values.merge(base, on="seed", suffixes=("", "_of_baseline"))
    return paired.assign(value=paired["value"] - paired["value_of_baseline"])[
        ["level", "seed", "value"]
    ]
