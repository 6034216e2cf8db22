"""Jobs of a Slurm cluster, which a few shell scripts play: asked for, preempted, cancelled."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from odvae.errors import UserError
from odvae.experiment.backends.with_submitit import SubmititJobs, SubmittedJob
from odvae.experiment.launch import LaunchedJob
from odvae.experiment.launch_plan import Launcher, LaunchPlan
from tests.experiment.fake_slurm import install

pytest.importorskip("submitit")
pytestmark = pytest.mark.skipif(
    not (shutil.which("setsid") and shutil.which("pgrep")), reason="needs setsid and pgrep"
)

PLAN = LaunchPlan(
    launcher=Launcher.submitit_slurm, partition="gpus", account="us", mem_gb=48, timeout_min=60
)
ENDS = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['OWN']); raise SystemExit(3)"
GOES_ON_THE_SECOND_TIME = """
import pathlib, sys, time
if pathlib.Path("began").exists():
    print("resumed")
    sys.exit(0)
pathlib.Path("began").touch()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SubmittedJob]:
    """Hands a program to a cluster, as one launch after another would."""
    monkeypatch.setenv("SLURM", str(tmp_path / "slurm"))
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'slurm')}:{os.environ['PATH']}")
    monkeypatch.setattr(
        "odvae.experiment.backends.with_submitit.command", lambda job: list(job.overrides)
    )
    monkeypatch.chdir(tmp_path)

    def begin(program: str) -> SubmittedJob:
        backend = SubmititJobs(PLAN, folder=tmp_path / "sweep" / "submitit", devices=2)
        job = LaunchedJob("job", [sys.executable, "-c", program], _log(), Path("job.json"))
        return backend.start(job, threads=1, gpus=[], environment={"OWN": "given"})

    return begin


def _log() -> Path:
    return Path("job.log")


def _wait(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def _code(started: SubmittedJob) -> int:
    _wait(lambda: started.poll() is not None)
    code = started.poll()
    assert code is not None
    return code


def _wait_until_ready() -> None:
    _wait(lambda: _log().is_file() and "ready" in _log().read_text())


def _submissions() -> list[str]:
    return [file.read_text() for file in sorted(Path("slurm").glob("[0-9]*.sh"))]


def test_a_job_asks_for_what_the_plan_says(start: Callable[[str], SubmittedJob]) -> None:
    assert _code(start(ENDS)) == 3
    assert _log().read_text().split() == ["8", "given"]
    (script,) = _submissions()
    asked = {line.removeprefix("#SBATCH --") for line in script.splitlines() if "#SBATCH" in line}
    assert asked >= {
        "partition=gpus",
        "account=us",
        "mem=48GB",
        "time=60",
        "cpus-per-task=8",
        "gpus-per-node=2",
        "signal=USR2@90",
        "requeue",
        "job-name=odvae-sweep",
    }


def test_a_job_that_is_told_to_make_room_goes_on(start: Callable[[str], SubmittedJob]) -> None:
    """By the signal that submitit has Slurm send to all processes of the job."""
    started = start(GOES_ON_THE_SECOND_TIME)
    _wait_until_ready()
    _signal("USR2")
    assert _code(started) == 0
    assert _log().read_text().split() == ["ready", "resumed"]


@pytest.mark.slow
def test_a_job_that_is_preempted_without_a_word_goes_on(
    start: Callable[[str], SubmittedJob],
) -> None:
    """Slurm ends it, kills it after a while and repeats it by itself."""
    started = start(GOES_ON_THE_SECOND_TIME)
    _wait_until_ready()
    Path("slurm/41.requeue").touch()
    _signal("TERM")
    time.sleep(2)
    assert started.poll() is None  # it leaves no result that would stand for the repetition's
    os.kill(int(Path("slurm/41.pid").read_text()), signal.SIGKILL)
    assert _code(started) == 0
    assert _log().read_text().split() == ["ready", "resumed"]


@pytest.mark.slow
def test_a_second_launch_finds_the_job(
    start: Callable[[str], SubmittedJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.backends.with_submitit._FILES_ARRIVE_S", 1.0)
    start(GOES_ON_THE_SECOND_TIME)
    _wait_until_ready()
    again = start(GOES_ON_THE_SECOND_TIME)  # the first launch's process is gone, say
    assert len(_submissions()) == 1
    assert _log().read_text() == "ready\n"  # nor has it lost its log
    again.interrupt()
    assert _code(again) != 0
    assert "CANCELLED" in _log().read_text()
    assert _code(start(GOES_ON_THE_SECOND_TIME)) == 0  # Slurm has done with the first
    assert len(_submissions()) == 2


def test_what_slurm_refuses_is_told(start: Callable[[str], SubmittedJob]) -> None:
    sbatch = Path("slurm/bin/sbatch")
    sbatch.write_text("#!/bin/bash\necho 'sbatch: error: invalid partition' >&2; exit 1\n")
    with pytest.raises(UserError, match=r"submitit_slurm: .*invalid partition"):
        start(ENDS)


def _signal(name: str) -> None:
    subprocess.run(["scancel", "41", "--signal", f"SIG{name}"], check=True)
