"""A run of two processes: the numbers of one, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.experiment.crew import crew
from odvae.training.config import TrainerConfig

ONE_RUN = ("preset=smoke", "losses.adversarial.start_step=2", "train.steps=8")
ALONE = os.environ | {"ODVAE_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def _command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "odvae.run", *ONE_RUN, f"output_dir={folder}", *more]


def _run(folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        _command(folder, *more), env=ALONE, capture_output=True, text=True, check=False, timeout=600
    )


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    one, two = _run(tmp_path / "one"), _run(tmp_path / "two", "trainer.devices=2")
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    weights = [
        load_file(next((tmp_path / name / "runs").glob("*/vae/*.safetensors")))
        for name in ("one", "two")
    ]
    assert_close(weights[0], weights[1], atol=2e-3, rtol=0)  # Adam: rates of 3e-4, eight steps
    again = _run(tmp_path / "two")  # how many compute is not part of what a run is
    assert again.stdout.lstrip().startswith("Already finished")


@pytest.mark.slow
def test_when_one_is_killed_the_run_ends_and_the_same_command_resumes(tmp_path: Path) -> None:
    more = ("train.steps=60", "trainer.devices=2", "train.checkpoint_every_s=0")
    running = subprocess.Popen(
        _command(tmp_path, *more), env=ALONE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    deadline_s = time.monotonic() + 300
    while not list(tmp_path.glob("runs/*/checkpoints/*")) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    (worker,) = _children(running.pid)
    os.kill(worker, signal.SIGKILL)
    _, stderr = running.communicate(timeout=120)
    assert running.returncode == 2
    assert b"another process of this training has ended" in stderr
    assert b"Traceback" not in stderr
    more = ("train.steps=60", "trainer.devices=2", "train.checkpoint_every_s=60")
    resumed = _run(tmp_path, *more)
    assert resumed.returncode == 0, resumed.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_what_was_started_must_be_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="a run on several nodes is started by torchrun or srun"):
        _enter(TrainerConfig(nodes=2))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match=r"3 processes were started, but trainer\.devices=2 x"):
        _enter(TrainerConfig(devices=2))


def _enter(config: TrainerConfig) -> None:
    with crew(config):
        pass


def test_one_process_is_alone() -> None:
    with crew(TrainerConfig()) as team:
        assert (team.rank, team.size) == (0, 1)
