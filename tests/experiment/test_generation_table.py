"""The table that generations end with: one a protocol, FVD named only where it is one."""

import io

import pytest
from rich.console import Console

from odvae.experiment.generation_table import distances, generations, papers_ratio
from odvae.experiment.tables import models, print_tables
from odvae.tracking import LoggedRun
from tests.experiment.made_logged import logged_run

STAND_IN = "fvd_untrained_r3d18_generation"


def generation(
    run_id: str,
    *,
    model: str = "odvae",
    steps_per_s: float = 2.0,
    memory_mb: float = 500.0,
    fingerprint: str = "0a1b2c3d",
    deficient: bool = True,
    metrics: dict[str, float] | None = None,
) -> LoggedRun:
    """A finished generation, but for what is said."""
    values = {
        **{"train_steps_per_s": steps_per_s, "train_memory_mb": memory_mb},
        **{"latent_values": 1280.0, "validation_loss": 0.25, "probe_validation_loss": 0.5},
        **{STAND_IN: 3.25, "nearest_psnr_db": 14.5},
    }
    tags = {
        **{"task": "generate", "model": model, "weights": "own", "latents.shape": "4x5x8x8"},
        **{"generation.protocol": fingerprint, "generation.facts": f"facts of {fingerprint}"},
        "frechet_generation_rank_deficient": str(deficient),
    }
    named = {f"generation/{name}": value for name, value in values.items()}
    return logged_run(run_id, tags=tags, metrics=named | (metrics or {}))


def printed(runs: list[LoggedRun]) -> tuple[str, list[str]]:
    """What is printed, and the names of the tables."""
    out = io.StringIO()
    tables = print_tables(runs, Console(file=out, width=200))
    return out.getvalue(), list(tables)


def test_speed_and_memory_are_held_against_the_slowest_and_the_largest() -> None:
    image = generation("i", model="sd_vae", steps_per_s=0.8, memory_mb=2000.0)
    summary = generations([generation("a"), image])
    rows = [dict(zip(summary.columns, row, strict=True)) for row in summary.rows]
    assert [row["run"] for row in rows] == ["variant 4", "SD-VAE (image VAE per frame)"]
    assert [row["times the slowest"] for row in rows] == ["2.50", "1.00"]
    assert [row["of the largest"] for row in rows] == ["0.25", "1.00"]
    assert rows[0]["latents"] == "4x5x8x8"
    assert rows[0]["validation loss"] == "0.2500" and rows[0]["probe loss"] == "0.5000"
    assert rows[0][f"{STAND_IN} rank-deficient"] == "3.2500"
    assert rows[0]["PSNR dB to nearest training clip"] == "14.5"


def test_a_stand_in_is_never_called_fvd() -> None:
    columns = generations([generation("a", deficient=False)]).columns
    assert STAND_IN in columns
    assert not {"fvd", "fvd_generation", "inception_score"} & set(columns)
    names = ["kvd_generation", "frechet_s3d_generation", "fvd_generation", STAND_IN]
    logged = [*(f"generation/{name}" for name in names), "generation/loss", "eval/fvd"]
    assert distances(logged) == [
        *("fvd_generation", "frechet_s3d_generation", STAND_IN),
        "kvd_generation",
    ]


def test_what_was_not_computed_is_empty() -> None:
    bare = logged_run("b", tags={"task": "generate", "generation.protocol": "0a1b2c3d"})
    summary = generations([bare, generation("a")])
    assert set(summary.rows[0][3:]) == {""}
    assert set(generations([bare]).rows[0][3:]) == {""}


def test_other_protocols_are_printed_apart() -> None:
    runs = [generation("a"), generation("b", fingerprint="99999999"), generation("c")]
    text, names = printed(runs)
    assert names == ["summary", "generation_0a1b2c3d", "generation_99999999"]
    first, second = text.split("Generation protocol 99999999: facts of 99999999")
    assert "Generation protocol 0a1b2c3d: facts of 0a1b2c3d" in first
    assert first.count("3.2500") == 2 and second.count("3.2500") == 1
    assert text.count(papers_ratio()) == 1
    with pytest.raises(ValueError, match="do not compare"):
        generations(runs)


def test_generations_stand_in_the_table_of_reconstructions_too() -> None:
    run = generation("a")
    assert models([run]) == [run]
    text, names = printed([run])
    assert names == ["summary", "generation"]
    assert "20.00" in text  # its PSNR


def test_without_generations_nothing_is_said_of_them() -> None:
    text, names = printed([logged_run("t"), logged_run("f", tags={"task": "generate"})])
    assert names == ["summary"] and "generator" not in text


def test_the_papers_ratio_is_that_of_its_table() -> None:
    assert papers_ratio() == (
        "The paper's Table 2 (UCF101): on OD-VAE's latents a generator trains 2.07 times as fast "
        "as on SD-VAE's (1.80, 0.87 it/s), in 0.41 of the memory (30520, 74364 MB)."
    )
