"""A study whose worker is killed again and again: every trial is there, and counted once."""

import csv
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from subprocess import Popen

import pytest

from odvae.tracking import Store
from tests.command.commands import QUICK, run_alone, start

pytestmark = pytest.mark.slow

STUDY = (
    "-m",
    "hydra/sweeper=optuna",
    "study=lr_kl",
    *QUICK,
    "train.steps=6",
    "train.curve_points=3",
    "hydra.launcher.parallel=2",
)
SET_STATE, ENDED = 6, (1, 2, 3)  # in a journal
PATIENCE_S = 1800


def _ended(folder: Path) -> list[int]:
    """Trials that were told of, in that order."""
    journal = folder / "outputs" / "studies" / "lr_kl.journal"
    lines = journal.read_text().splitlines() if journal.is_file() else []
    told = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [
        each["trial_id"] for each in told if each["op_code"] == SET_STATE and each["state"] in ENDED
    ]


def _kill_after(study: "Popen[str]", folder: Path, trials: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while len(_ended(folder)) < trials:
        assert study.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.1)
    time.sleep(1)  # others are at work then
    os.kill(study.pid, signal.SIGKILL)
    study.communicate()


def test_a_study_that_is_killed_twice_counts_every_trial_once(tmp_path: Path) -> None:
    for trials in (6, 17):
        _kill_after(start(tmp_path, *STUDY), tmp_path, trials)
    ran = run_alone(tmp_path, *STUDY)
    assert (ran.code, ran.err) == (0, "")
    assert sorted(_ended(tmp_path)) == list(range(30))

    store = Store.open(tmp_path / "outputs")
    (parent,) = store.find({"odvae.kind": "sweep"})
    assert parent.status == "FINISHED"
    with store.artifact(parent.run_id, "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(30))
    states = Counter(row["state"] for row in rows)
    assert states["complete"] + states["pruned"] == 30 and states["pruned"] > 0
    assert f"Pruning: {states['pruned']} trials were stopped early" in " ".join(ran.out.split())

    runs = {run.run_id: run for run in store.find({"odvae.kind": "run"})}
    assert set(runs) == {row["run_id"] for row in rows} and len(runs) == 30
    for row in rows:
        run = runs[row["run_id"]]
        is_pruned = row["state"] == "pruned"
        assert run.parent_id == parent.run_id
        assert run.status == ("KILLED" if is_pruned else "FINISHED")
        assert (run.tags.get("odvae.pruned") == "true") == is_pruned
        for field in ("train.learning_rate", "losses.kl_weight"):
            assert float(run.params[field]) == pytest.approx(float(row[field]), rel=1e-5)
        if not is_pruned:
            assert float(row["eval/psnr_db"]) == run.metrics["eval/psnr_db"]
    with closing(sqlite3.connect(tmp_path / "outputs" / "mlflow.db")) as database:
        repeated = database.execute(
            "select key, step from metrics group by run_uuid, key, step having count(*) > 1"
        ).fetchall()
    assert repeated == []

    again = run_alone(tmp_path, *STUDY)
    assert again.code == 0 and len(store.find({"odvae.kind": "run"})) == 30


def test_an_interrupted_study_closes_its_runs_and_goes_on(tmp_path: Path) -> None:
    words = (*STUDY, "hydra.sweeper.trials=3", "hydra.sweeper.pruner.name=none")
    study = start(tmp_path, *words)
    deadline_s = time.monotonic() + PATIENCE_S
    while not any(tmp_path.glob("outputs/runs/*/checkpoints/state_*.pt")):
        assert study.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.1)
    study.send_signal(signal.SIGINT)
    out, told = study.communicate(timeout=120)
    assert study.returncode == 130
    assert told == "odvae: interrupted; the same command resumes\n"
    assert "running or left behind" in out
    store = Store.open(tmp_path / "outputs")
    assert {run.status for run in store.runs()} == {"KILLED"}
    ran = run_alone(tmp_path, *words)
    assert ran.code == 0
    assert {run.status for run in store.runs()} == {"FINISHED"}
    assert len(store.find({"odvae.kind": "run"})) == 3


def test_two_commands_work_on_one_study(tmp_path: Path) -> None:
    words = (*STUDY[:-1], "hydra.launcher.parallel=1", "hydra.sweeper.trials=6")
    workers = [start(tmp_path, *words) for _ in range(2)]
    said = [worker.communicate(timeout=PATIENCE_S) for worker in workers]
    assert [(worker.returncode, err) for worker, (_, err) in zip(workers, said, strict=True)] == [
        (0, ""),
        (0, ""),
    ]
    assert sorted(_ended(tmp_path)) == list(range(6))
    store = Store.open(tmp_path / "outputs")
    (parent,) = store.find({"odvae.kind": "sweep"})
    assert parent.status == "FINISHED"
    assert len(store.find({"odvae.kind": "run"})) == 6
    endings = [out.count(": finished") + out.count(": stopped early") for out, _ in said]
    assert sum(endings) == 6 and min(endings) > 0
