"""One run, killed twenty times at random moments: the same command ends with the same weights."""

import random
import signal
import time
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from torch.testing import assert_close

from odvae.model import load
from odvae.tracking import Store
from tests.command.commands import QUICK, run_alone, start

pytestmark = pytest.mark.slow

KILLS = 20
RUN = (
    *QUICK,
    "train.steps=240",
    "train.curve_points=3",
    "train.log_every_steps=1",
    "train.checkpoint_every_s=0",  # so that many kills fall into the writing of one
    "losses.adversarial.start_step=20",
)


def _folder(output: Path) -> Path:
    (folder,) = (output / "outputs" / "runs").iterdir()
    return folder


def _steps_saved(output: Path) -> int:
    """Updates of the newest checkpoint, by its name."""
    names = (output / "outputs").glob("runs/*/checkpoints/state_*_step_*.pt")
    return max((int(name.name.split("_step_")[1].split("_")[0]) for name in names), default=0)


def _kill_later(output: Path, rng: random.Random) -> None:
    """Start the run, let it get beyond where it was, kill it at some moment after that."""
    before = _steps_saved(output)
    process = start(output, *RUN)
    while process.poll() is None and _steps_saved(output) <= before:
        time.sleep(0.01)
    try:
        process.wait(timeout=rng.uniform(0, 0.8))
    except TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def test_twenty_kills_change_no_bit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert run_alone(whole, *RUN).code == 0
    rng = random.Random(0)
    for _ in range(KILLS):
        _kill_later(killed, rng)
        assert not (_folder(killed) / "vae").exists(), "it ended before the kills did"
    assert run_alone(killed, *RUN).code == 0
    ours, theirs = (load(_folder(folder) / "vae").state_dict() for folder in (killed, whole))
    assert_close(ours, theirs, atol=0, rtol=0)
    for folder in (whole, killed):
        (run,) = Store.open(folder / "outputs").find({"odvae.kind": "run"})
        assert run.status == "FINISHED"
        steps = [
            step for step, _ in Store.open(folder / "outputs").history(run.run_id, "train/loss")
        ]
        assert len(steps) == len(set(steps))  # no row twice
