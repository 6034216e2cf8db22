"""Studies as they are typed: what they run, and what is said of words that make no sense."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from odvae import config_files
from odvae.experiment.study import run
from odvae.tracking import Store
from tests.command.commands import QUICK, launch_here, run_here

STUDIES = sorted(file.stem for file in (config_files.conf() / "study").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_every_study_composes(tmp_path: Path, study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(plan: object, edges: Sequence[object], **_: object) -> None:
        kept.append((plan, edges))

    kept: list[tuple[object, Sequence[object]]] = []
    monkeypatch.setattr(run, "run_study", keep)
    ran = run_here(tmp_path, "-m", "hydra/sweeper=optuna", f"study={study}", "preset=smoke")
    assert (ran.code, ran.err) == (0, "")
    assert len(kept) == 1 and len(kept[0][1]) > 2


BEFORE_ANY_RUN_IS_COMPOSED = [
    (["-m", "study=none"], "study must be one of adversarial, inits_operators, lr_kl,"),
    (["-m", "hydra/sweeper=optuna"], "hydra.sweeper.space is empty: study=NAME"),
    (["-m", "hydra/sweeper=basic", "study=lr_kl"], "hydra.sweeper.space, which BasicSweeperCon"),
    (["-m", "study=lr_kl", "train.lr=3"], "train.lr is no field of a run"),
    (["-m", "study=lr_kl", "operators=papr"], "operators: Invalid value 'papr'"),
    (["-m", "study=lr_kl", "seed=0,1"], "seed=0,1: hydra.sweeper.space.seed says what a study"),
    (["-m", "study=lr_kl", "losses.kl_weight=0"], "hydra.sweeper.space.losses.kl_weight says"),
    (["-m", "study=lr_kl", "hydra.sweeper.trial=3"], "hydra.sweeper.trial is no field of Hydra's"),
    (["-m", "study=lr_kl", "hydra.sweeper.sampler=cma"], "sampler: Invalid value 'cma', expected"),
    (["-m", "study=lr_kl", "hydra.sweeper.trials=0"], "hydra.sweeper.trials must be at least 1"),
    (["-m", "study=lr_kl", "+hydra.sweeper.space.trian.steps.choices=[1]"], "train.steps"),
    (
        ["-m", "study=lr_kl", "hydra.sweeper.space.train.learning_rate.low=-1"],
        "hydra.sweeper.space.train.learning_rate.low must be above 0 with log",
    ),
]
BY_ITS_EDGES = [
    (["study=lr_kl"], "study=lr_kl is of many runs: put -m before it"),
    (["-m", "study=lr_kl", "+hydra.sweeper.space.init.choices=[tale]"], "init must be one of"),
    (
        ["-m", "study=lr_kl", "+hydra.sweeper.space.operators.choices=[paper,papr]"],
        "operators: Invalid value 'papr'",
    ),
    (  # the image VAE that comes with odvae is not so wide
        ["-m", "study=lr_kl", "+hydra.sweeper.space.model.width.choices=[16,32]"],
        "model.width",
    ),
    (["-m", "study=lr_kl", "rerun=true"], "rerun=true: a study goes on where it was"),
    (["-m", "study=lr_kl", "hydra.launcher.parallel=0"], "hydra.launcher.parallel must be at"),
]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        *BEFORE_ANY_RUN_IS_COMPOSED,
        *(pytest.param(*case, marks=pytest.mark.slow) for case in BY_ITS_EDGES),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    tmp_path: Path, words: list[str], expected: str
) -> None:
    ran = run_here(tmp_path, *words, "preset=smoke")
    assert ran.code == 2
    assert ran.err.startswith("odvae: ") and ran.err.count("\n") == 1
    assert expected in ran.err
    assert not list(tmp_path.glob("outputs/studies/*"))


def _study(folder: Path, *words: str) -> tuple[int, str, str]:
    ran = run_here(
        folder,
        "-m",
        "study=lr_kl",
        *QUICK,
        "train.steps=2",
        "train.curve_points=2",
        "hydra.sweeper.pruner.startup_trials=1",
        *words,
    )
    return ran.code, " ".join(ran.out.split()), ran.err


@pytest.mark.slow
def test_a_study_is_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "launch", launch_here)
    code, out, err = _study(tmp_path, "hydra.sweeper.trials=2")
    assert (code, err) == (0, "")
    store = Store.open(tmp_path / "outputs")
    (parent,) = store.find({"odvae.kind": "sweep"})
    runs = store.find({"odvae.kind": "run"})
    assert parent.status == "FINISHED" and parent.tags["odvae.study"] == "lr_kl"
    assert {child.parent_id for child in runs} == {parent.run_id} and len(runs) == 2
    best = max(child.metrics["eval/psnr_db"] for child in runs)
    assert parent.metrics["best/eval/psnr_db"] == best
    with store.artifact(parent.run_id, "trials.csv").open() as file:
        rows = {row["run_id"]: row for row in csv.DictReader(file)}
    assert {run_id: float(row["eval/psnr_db"]) for run_id, row in rows.items()} == {
        child.run_id: child.metrics["eval/psnr_db"] for child in runs
    }
    for name in ("best.csv", "history.png"):
        assert store.artifact(parent.run_id, name).stat().st_size > 100
    assert "Best: trial" in parent.tags["mlflow.note.content"]

    code, out, err = _study(tmp_path, "hydra.sweeper.trials=2")
    assert (code, err) == (0, "") and "2 complete" in out and "finished" not in out
    assert len(store.find({"odvae.kind": "run"})) == 2
    code, out, err = _study(tmp_path, "hydra.sweeper.trials=3")
    assert (code, err) == (0, "") and len(store.find({"odvae.kind": "run"})) == 3
    code, out, err = _study(tmp_path, "train.batch=1")
    assert code == 2 and "study lr_kl: train.batch is 2 in it, 1 here" in err
