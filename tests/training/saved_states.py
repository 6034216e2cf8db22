"""Contents of checkpoints that are known by their step, and processes that save and are killed."""

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.testing import assert_close

from odvae.training import checkpoint_file
from odvae.training.checkpoints import Checkpoints, Loaded

_SIZE = 200_000


def content_of(step: int) -> dict[str, Any]:
    """Like a training's state, a function of the step; 2 MB."""
    generator = torch.Generator().manual_seed(step)
    return {
        "model": {"weight": torch.randn(_SIZE, generator=generator), "none": None},
        "optimisers": [{"state": {0: {"exp_avg": torch.full((_SIZE,), float(step))}}}],
        "random": torch.arange(step, step + _SIZE // 4, dtype=torch.uint8),
        "step": step,
        "name": f"step {step}",
        "betas": (0.9, 0.999),
    }


def check_content(loaded: Loaded | None) -> Loaded:
    """It is there and, bit for bit, what was saved at its step."""
    assert loaded is not None
    meant = content_of(loaded.step)
    assert loaded.content.keys() == meant.keys()
    assert_close(loaded.content["model"]["weight"], meant["model"]["weight"], atol=0, rtol=0)
    assert loaded.content["model"]["none"] is None
    moments = [content["optimisers"][0]["state"][0] for content in (loaded.content, meant)]
    assert_close(*moments, atol=0, rtol=0)
    assert_close(loaded.content["random"], meant["random"], atol=0, rtol=0)
    for key in ("step", "name", "betas"):
        assert loaded.content[key] == meant[key]
    return loaded


def score_of(step: int) -> float:
    """Not in the order of the steps, and no two alike: the best is now and then an old one."""
    return float(step * 7919 % 10_007)


def save(checkpoints: Checkpoints, step: int) -> Path:
    """Save the content of a step with its score."""
    return checkpoints.save(content_of(step), step=step, score=score_of(step))


def train_for_ever(folder: Path, started: Callable[[], None]) -> None:
    """Go on from the newest checkpoint, as a training does, and save at every step."""
    torch.set_num_threads(1)
    checkpoints = Checkpoints(folder)
    loaded = checkpoints.newest()
    step = loaded.step if loaded else 0
    started()
    while True:
        step += 1
        save(checkpoints, step)


def save_and_die(folder: Path, *, at_call: int) -> None:
    """Save the next step, killed right before the call of that number which changes the disk.

    Comes back if the save takes fewer calls.
    """
    torch.set_num_threads(1)
    checkpoints = Checkpoints(folder)
    newest = checkpoints.newest()
    step = newest.step + 1 if newest else 1
    calls = 0

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at_call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return call

    with ExitStack() as patched:
        for name in ("fsync", "replace", "unlink"):
            patched.enter_context(patch.object(os, name, dying(getattr(os, name))))
        written = checkpoint_file._HashedFile
        patched.enter_context(patch.object(written, "write", dying(written.write)))
        save(checkpoints, step)
