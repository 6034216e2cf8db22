"""Sweeps that are killed at any time: nothing is lost but time, and nothing is left running."""

import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from subprocess import Popen

import pytest
from torch.testing import assert_close

from odvae.model import load
from odvae.tracking import LoggedRun, Store
from tests.command.commands import QUICK, run_alone, start
from tests.command.processes import alive, children, needs_proc, wait

pytestmark = pytest.mark.slow

SWEEP = (
    "-m",
    *QUICK,
    "variant=1,4",
    "init=tail",
    "train.steps=12",
    "train.checkpoint_every_s=0",
    "train.log_every_steps=1",
    "hydra.launcher.parallel=1",
)


def _runs(folder: Path) -> list[LoggedRun]:
    return Store.open(folder / "outputs").find({"odvae.kind": "run"})


def _kill(sweep: "Popen[str]") -> list[int]:
    """Kill the sweep's own process; returns those that it had started."""
    started = list(children(sweep.pid))
    os.kill(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    return started


def _kill_all(sweep: "Popen[str]") -> None:
    """Kill the sweep and its jobs together, as a machine that goes down does."""
    os.kill(sweep.pid, signal.SIGSTOP)  # it starts no other job meanwhile
    for child in children(sweep.pid):
        os.kill(child, signal.SIGKILL)
    _kill(sweep)


def _in_second_job(folder: Path) -> bool:
    """Whether one job has ended, and the other has written its state since."""
    runs = folder / "outputs" / "runs"
    ended = {file.parents[1] for file in runs.glob("*/vae/model.safetensors")}
    return bool(ended) and any(
        state.parents[1] not in ended for state in runs.glob("*/checkpoints/state_*.pt")
    )


@needs_proc
def test_a_killed_sweep_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    began_s = time.monotonic()
    assert run_alone(whole, *SWEEP).code == 0
    took_s = time.monotonic() - began_s

    delay_s = random.uniform(0, took_s / 2)
    print(f"first kill after {delay_s:.2f} s")
    sweep = start(killed, *SWEEP)
    time.sleep(delay_s)
    _kill_all(sweep)
    sweep = start(killed, *SWEEP)
    wait(lambda: _in_second_job(killed))
    time.sleep(random.uniform(0, 0.3))
    _kill_all(sweep)
    finished_before = {run.run_id: run for run in _runs(killed) if run.status == "FINISHED"}
    assert len(finished_before) == 1

    ran = run_alone(killed, *SWEEP)
    assert (ran.code, ran.err) == (0, "")
    assert " ".join(ran.out.split()).count("was already finished") == 1
    pairs = {run.tags["variant"]: [run] for run in _runs(whole)}
    for run in _runs(killed):
        pairs[run.tags["variant"]].append(run)
    assert set(pairs) == {"1", "4"}
    for one, other in pairs.values():
        assert one.status == other.status == "FINISHED"
        assert other == finished_before.get(other.run_id, other)  # not repeated
        _same_results(whole, one, killed, other)
    _nothing_is_stored_twice(killed)
    (sweep_run,) = Store.open(killed / "outputs").find({"odvae.kind": "sweep"})
    assert sweep_run.status == "FINISHED"


def _same_results(folder: Path, run: LoggedRun, other_folder: Path, other: LoggedRun) -> None:
    stores = Store.open(folder / "outputs"), Store.open(other_folder / "outputs")
    files = [store.artifact(r.run_id, "vae") for store, r in zip(stores, (run, other), strict=True)]
    weights = [load(file).state_dict() for file in files]
    assert_close(weights[0], weights[1], atol=0, rtol=0)
    timed = {name for name in run.metrics if name.startswith("cost/")}
    for name in run.metrics.keys() - timed:
        assert stores[0].history(run.run_id, name) == stores[1].history(other.run_id, name), name
    assert timed == {name for name in other.metrics if name.startswith("cost/")}


def _nothing_is_stored_twice(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "outputs" / "mlflow.db")) as database:
        repeated = database.execute(
            "select key, step from metrics group by run_uuid, key, step having count(*) > 1"
        ).fetchall()
    assert repeated == []


@needs_proc
def test_jobs_end_with_their_sweep(tmp_path: Path) -> None:
    sweep = start(tmp_path, *SWEEP, "train.steps=100000")
    wait(lambda: any(tmp_path.glob("outputs/runs/*/checkpoints/state_*.pt")))
    jobs = _kill(sweep)
    assert len(jobs) == 1
    time.sleep(2)
    assert not any(alive(job) for job in jobs)


def test_an_interrupted_sweep_closes_its_runs(tmp_path: Path) -> None:
    sweep = start(tmp_path, *SWEEP, "train.steps=100000")
    wait(lambda: any(tmp_path.glob("outputs/runs/*/checkpoints/state_*.pt")))
    sweep.send_signal(signal.SIGINT)
    _, told = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert told == "odvae: interrupted; the same command resumes\n"
    store = Store.open(tmp_path / "outputs")
    assert {run.status for run in store.runs()} == {"KILLED"}
    assert len(store.runs()) == 2  # the sweep and its first job
