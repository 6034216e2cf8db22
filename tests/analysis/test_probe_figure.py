"""Rank correlations of the probe with the longer training."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import NoRuns, Runs, load_generations, probe
from odvae.tracking import Status, Store
from tests.analysis import synthetic_generations

VAES = "abcd"


def _values(losses: list[float], results: list[float]) -> pd.DataFrame:
    vaes = list(VAES[: len(losses)])
    return pd.DataFrame({"vae": vaes, "seed": "0", "x": losses, "y": results})


@pytest.mark.parametrize(
    ("results", "kendall", "spearman"),
    [
        ([5.0, 6.0, 7.0, 90.0], 1, 1),
        ([9.0, 6.0, 5.0, 1.0], -1, -1),
        ([5.0, 6.0, 90.0, 7.0], 4 / 6, 0.8),  # one of six pairs the other way
    ],
)
def test_ranks_are_compared_not_values(
    results: list[float], kendall: float, spearman: float
) -> None:
    found = probe.rank_correlation(_values([1.0, 2.0, 3.0, 4.0], results), "x", "y")
    assert found.vaes == 4
    assert found.kendall == pytest.approx(kendall)
    assert found.spearman == pytest.approx(spearman)
    if abs(kendall) == 1:
        assert found.p == pytest.approx(2 / 24)  # of 4! orders two are as extreme
        assert str(found) == f"Kendall {kendall:.2f}, Spearman {spearman:.2f}, n = 4, p = 0.083"


def test_seeds_of_a_vae_are_one_vae() -> None:
    one = _values([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    found = probe.rank_correlation(pd.concat([one, one.assign(seed="1")]), "x", "y")
    assert (found.vaes, found.kendall) == (3, 1)


def test_two_vaes_have_no_rank_correlation() -> None:
    found = probe.rank_correlation(_values([1.0, 2.0], [1.0, 2.0]), "x", "y")
    assert str(found) == "n = 2: too few to rank"


def test_all_vaes_of_one_task_are_points(generations: Runs, tmp_path: Path) -> None:
    runs = probe.select(generations)
    inits = {f"variant 4, {init}" for init in ("random", "inflate", "center")}
    variants = {f"variant {variant}, tail" for variant in "1234"}
    assert set(runs.table["vae"]) == inits | variants | {"SD-VAE", "SVD-VAE's kind"}
    assert runs.table["generator"].nunique() == runs.table["generation.protocol"].nunique() == 1
    png = probe.draw(runs, name="fourteen", folder=tmp_path)
    table = pd.read_csv(png.with_suffix(".csv"))
    correlations = table.dropna(subset=["result"])
    assert set(zip(correlations["probe"], correlations["result"], strict=True)) == {
        (one, result)
        for one in (probe.LOSS, probe.SHARE)
        for result in ("validation_loss", synthetic_generations.FRECHET)
    }
    assert (correlations["vaes"] == 9).all()
    assert table["vae"].notna().sum() == 4 * 3 + 3 * 2 + 2 * 2  # a row a run


def test_of_other_protocols_or_without_a_probe_there_are_no_points(
    generations: Runs, tmp_path: Path
) -> None:
    only = {"generation.protocol": "99999999"}
    assert set(probe.select(generations, only=only).table["vae"]) == {"variant 1", "variant 4"}
    with pytest.raises(NoRuns, match="no finished generations with a probe; make them: "):
        probe.select(load_generations(tmp_path))
    store = Store.open(tmp_path)
    log = store.create("without", tags=synthetic_generations.TAGS, parent_id=None)
    log.metrics({"generation/validation_loss": 0.5}, 10)
    log.finish(Status.FINISHED)
    with pytest.raises(NoRuns, match="with a probe"):
        probe.select(load_generations(tmp_path))
