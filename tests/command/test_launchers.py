"""``hydra/launcher=...``: which one starts jobs; sweeps come through whatever ends their jobs.

The long ones run real sweeps; the shorter tests of what starts jobs are in tests/experiment.
"""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

import pytest

from odvae.experiment.launch import Backend, JobSource
from odvae.status import main as status
from odvae.tracking import LoggedRun, Store
from odvae.training.checkpoint_file import CheckpointFile
from tests.command.commands import QUICK, run_alone, run_here, start
from tests.command.processes import alive, descendants, needs_proc, parent, wait, words
from tests.sampling import first

PATIENCE_S = 1800
SWEEP = ("-m", *QUICK, "init=tail", "train.steps=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("launchers")


CHOSEN = {
    (): ("LocalProcesses", None),
    ("hydra/launcher=basic",): ("LocalProcesses", 1),
    ("hydra/launcher=joblib", "hydra.launcher.parallel=3"): ("JoblibProcesses", 3),
    (
        "hydra/launcher=submitit_local",
        "hydra.launcher.parallel=5",
        "hydra.launcher.timeout_min=30",
    ): ("SubmititJobs", 5),
}


@pytest.mark.parametrize(("chosen_by", "expected"), first(2, CHOSEN.items()))
def test_a_launcher_is_chosen(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    chosen_by: tuple[str, ...],
    expected: tuple[str, int | None],
) -> None:
    for package in ("joblib", "submitit"):
        if package in "".join(chosen_by):
            pytest.importorskip(package)
    chosen: list[tuple[str, int | None]] = []

    def launch_none(source: JobSource, *, backend: Backend, parallel: int, **_: object) -> None:
        chosen.append((type(backend).__name__, parallel if chosen_by else None))
        raise KeyboardInterrupt

    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_none)
    assert run_here(folder, *SWEEP, "seed=0,1", *chosen_by).code == 130
    assert chosen == [expected]


WRONG = {
    (
        "hydra/launcher=ray_aws",
    ): "hydra/launcher must be one of local, basic, joblib, submitit_local",
    ("hydra.launcher.parallel=0",): "hydra.launcher.parallel must be at least 1, got 0",
    ("hydra/launcher=basic", "hydra.launcher.parallel=2"): "parallel",
    ("hydra/launcher=submitit_local", "hydra.launcher.partition=x"): "partition",  # of Slurm only
}


@pytest.mark.parametrize(("mistake", "told"), WRONG.items())
def test_a_mistake_is_told_in_a_line(folder: Path, mistake: tuple[str, ...], told: str) -> None:
    ran = run_here(folder, *SWEEP, "seed=0,1", *mistake)
    assert ran.code == 2 and ran.err.count("\n") == 1, ran.err
    assert told in ran.err


def _runs(folder: Path) -> list[LoggedRun]:
    return Store.open(folder / "outputs").find({"odvae.kind": "run"})


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local", "ray"])
def test_a_sweep_of_each_launcher(tmp_path: Path, launcher: str) -> None:
    if launcher != "basic":
        pytest.importorskip(launcher.partition("_")[0])
    line = (*SWEEP, "variant=1,4", f"hydra/launcher={launcher}")
    ran = run_alone(tmp_path, *line)
    assert (ran.code, ran.err) == (0, "")
    assert sorted(run.status for run in _runs(tmp_path)) == ["FINISHED", "FINISHED"]
    again = run_alone(tmp_path, *line)
    assert " ".join(again.out.split()).count("was already finished") == 2


FAULT = """
# Every interpreter that finds this imports it. While a file exists, one job of the sweep raises.
import os, sys
if "seed=3" in sys.orig_argv and "variant=4" in sys.orig_argv and os.path.exists("fault"):
    from odvae.training.video_recipe import VideoLoss

    def fail(*_):
        raise RuntimeError("this job was made to fail")

    VideoLoss.__call__ = fail
"""


def _job(sweep: "Popen[str]", *overrides: str) -> int:
    """The process of the job with these overrides, once there is one."""

    def found() -> list[int]:
        return [pid for pid in descendants(sweep.pid) if {*overrides, "odvae.run"} <= {*words(pid)}]

    wait(lambda: bool(found()), patience_s=PATIENCE_S)
    return found()[0]


def _states(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What ``odvae status`` says of each job of the only sweep, by its last two overrides."""
    assert status(["--output-dir", str(folder / "outputs"), "--json"]) == 0
    (sweep,) = json.loads(capsys.readouterr().out)
    return {" ".join(job["overrides"][-2:]): job["state"] for job in sweep["jobs"]}


@needs_proc
@pytest.mark.slow
def test_two_of_sixteen_jobs_end_badly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(FAULT)
    (tmp_path / "fault").touch()
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'path'}{os.pathsep}{path}")
    line = (*SWEEP, "hydra.launcher.parallel=4", "variant=1,4", "seed=0,1,2,3,4,5,6,7")
    sweep = start(tmp_path, *line)
    os.kill(_job(sweep, "variant=1", "seed=5"), signal.SIGKILL)
    out, err = sweep.communicate(timeout=PATIENCE_S)
    assert (sweep.returncode, err) == (1, "odvae: 2 of 16 jobs failed\n"), out
    assert " ".join(out.split()).count(": finished") == 14
    states = _states(tmp_path, capsys)
    assert states.pop("variant=4 seed=3") == "failed"
    assert states.pop("variant=1 seed=5") == "killed"
    assert len(states) == 14 and set(states.values()) == {"finished"}
    errors = {run.status: run.tags.get("error") for run in _runs(tmp_path)}
    assert errors["FAILED"] == "RuntimeError: this job was made to fail"

    (tmp_path / "fault").unlink()
    ran = run_alone(tmp_path, *line)
    assert (ran.code, ran.err) == (0, "")
    assert " ".join(ran.out.split()).count("was already finished") == 14
    states = _states(tmp_path, capsys)
    assert len(states) == 16 and set(states.values()) == {"finished"}
    assert [run.status for run in _runs(tmp_path)] == ["FINISHED"] * 16


def _steps_kept(folder: Path) -> int:
    """Steps in the newest checkpoint of the only run."""
    files = folder.glob("outputs/runs/*/checkpoints/*")
    kept = filter(None, map(CheckpointFile.at, files))
    return max((file.step for file in kept), default=0)


@needs_proc
@pytest.mark.slow
def test_a_preempted_run_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    steps = 150
    more = ("train.checkpoint_every_s=0", "train.log_every_steps=1", f"train.steps={steps}")
    sweep = start(tmp_path, "-m", *QUICK, *more, "hydra/launcher=submitit_local", "variant=1")
    wait(lambda: _steps_kept(tmp_path) >= 60, patience_s=PATIENCE_S)
    job = _job(sweep, "variant=1")
    os.kill(parent(job), signal.SIGUSR2)  # as Slurm announces a preemption
    wait(lambda: not alive(job))
    kept = _steps_kept(tmp_path)
    (file,) = tmp_path.glob("outputs/logs/*/*.json")
    file.unlink()  # what comes now is the second try's
    seen: list[int] = []
    while sweep.poll() is None:
        with suppress(FileNotFoundError):
            told = json.loads(file.read_text())
            seen += [told["done"]] if told["stage"] == "train" and told["done"] else []
        time.sleep(0.1)
    assert sweep.returncode == 0, sweep.communicate()
    assert kept <= min(seen) < steps
    (run,) = _runs(tmp_path)
    assert run.status == "FINISHED"
    history = Store.open(tmp_path / "outputs").history(run.run_id, "train/loss")
    assert [step for step, _ in history] == list(range(1, steps + 1))
