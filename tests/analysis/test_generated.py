"""Generations stand beside generations alone, and only where generator and scores are alike."""

from collections import Counter
from pathlib import Path

import pytest

from analysis import NoRuns, Runs, choose, generated, load, load_generations
from analysis.comparable import Factor
from analysis.page import describe
from analysis.run_table import generator
from odvae.errors import UserError
from odvae.tracking import Store
from tests.analysis import synthetic, synthetic_generations
from tests.analysis.synthetic_generations import FINGERPRINT


def test_each_protocol_has_its_largest_comparable_set(generations: Runs) -> None:
    first, second = generated.choose(generations)
    assert (first.by, second.by) == ("model", "variant")
    assert Counter(first.runs.table["method"]) == {
        "OD-VAE variant 1": 3,
        "OD-VAE variant 2": 3,
        "OD-VAE variant 3": 3,
        "OD-VAE variant 4": 3,
        "SD-VAE (image VAE per frame)": 2,
        "SVD-VAE's kind (own temporal decoder)": 2,
    }
    assert second.levels == ["1", "4"]
    fingerprints = [one.setting["generation.protocol"] for one in (first, second)]
    assert fingerprints == [FINGERPRINT, "99999999"]
    for one in (first, second):
        assert one.runs.table["generation.protocol"].nunique() == 1
        assert one.runs.table["generator"].nunique() == 1


@pytest.mark.parametrize(
    ("by", "levels"),
    [("variant", ["1", "2", "3", "4"]), ("init", ["random", "inflate", "center", "tail"])],
)
def test_variants_and_initialisations_are_compared_with_all_else_equal(
    generations: Runs, by: generated.By, levels: list[str]
) -> None:
    selection = generated.largest(generations, by=[by])
    assert selection.levels == levels
    words = describe(selection).replace("\N{NO-BREAK SPACE}", " ")
    assert "denoiser mini, its training 600 steps" in words
    assert "VAE's training 120 steps" in words and "clips 9x64x64" not in words
    assert generated.facts(selection).endswith(synthetic_generations.FACTS)


def test_one_may_ask_for_another_generator(generations: Runs) -> None:
    only = {"denoiser.size": "tiny"}
    assert generated.largest(generations, only=only).levels == ["1", "4"]
    with pytest.raises(UserError, match=r"^only=colour must be one of preset, "):
        generated.choose(generations, only={"colour": "blue"})
    with pytest.raises(
        NoRuns, match=r"with denoiser.size=XL/2; make them: .*task=generate variant"
    ):
        generated.largest(generations, only={"denoiser.size": "XL/2"})


def test_what_is_only_looked_at_makes_no_other_generator() -> None:
    params = synthetic_generations.PARAMS
    assert generator(params) == generator({**params, "generation.videos": "3", "train.steps": "9"})
    assert generator(params) != generator({**params, "sampling.steps": "51"})


def test_generations_are_in_no_comparison_of_trainings(generations_dir: Path) -> None:
    runs = load(generations_dir)
    assert runs.table.empty
    everything = load_generations(generations_dir)
    factors: tuple[Factor, ...] = ("variant", "init", "start", "model", "objective", "tiling")
    for by in factors:
        for some in (runs, everything):  # even where they are all there is
            with pytest.raises(NoRuns):
                choose(some, by=by)


def test_given_weights_are_told_apart(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for digest in ("aaaaaaaa", "bbbbbbbb"):
        given = {"weights": f"{digest}/vae", "weights.sha256": digest, "init": "checkpoint"}
        synthetic_generations.add(store, tags=given)
    selection = generated.largest(load_generations(tmp_path))
    label = "OD-VAE variant 4, saved weights"
    assert selection.levels == [f"{label} aaaaaa", f"{label} bbbbbb"]
    assert "train.steps" not in selection.setting  # theirs are not known


def test_a_configuration_run_again_counts_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for _ in range(2):
        synthetic_generations.add(store, variant="1")
    synthetic.add(store, variant="1")
    assert len(generated.largest(load_generations(tmp_path)).runs.table) == 1


def test_without_runs_there_is_nothing(tmp_path: Path) -> None:
    none = load_generations(tmp_path)
    assert generated.choose(none) == []
    with pytest.raises(NoRuns, match="no finished generations; make them: "):
        generated.largest(none)
