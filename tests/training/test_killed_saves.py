"""kill -9 at any moment of a save leaves a whole checkpoint, and training only moves forward."""

import multiprocessing
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from odvae.training.checkpoints import Checkpoints
from tests.training.saved_states import check_content, save, save_and_die, score_of, train_for_ever

KILLS = 20


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    """Starts processes that have torch already: in milliseconds, not seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.saved_states"])
    yield context


def _check_folder(folder: Path) -> None:
    """The two newest and the best, no scraps."""
    checkpoints = Checkpoints(folder)
    newest = check_content(checkpoints.newest())
    assert newest.passed_over == []
    steps = {newest.step, newest.step - 1, max(range(1, newest.step + 1), key=score_of)}
    assert sorted(int(path.name.split("_")[3]) for path in folder.iterdir()) == sorted(steps)
    assert check_content(checkpoints.best()).step == max(steps, key=score_of)


@pytest.mark.slow
def test_killed_at_random_moments(processes: ForkServerContext, tmp_path: Path) -> None:
    moments = random.Random(0)
    last_step, moved, scraps = 0, 0, 0
    for _ in range(KILLS):
        started = processes.Event()
        process = processes.Process(target=train_for_ever, args=(tmp_path, started.set))
        process.start()
        assert started.wait(30)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        scraps += (tmp_path / "unfinished.part").exists()
        newest = Checkpoints(tmp_path).newest()
        if newest is None:  # killed within the very first save
            assert last_step == 0
            continue
        check_content(newest)
        assert newest.passed_over == []
        assert newest.step >= last_step
        moved += newest.step > last_step
        last_step = newest.step
    assert moved and scraps, "no kill came after a save, or none within a write"
    save(Checkpoints(tmp_path), last_step + 1)
    save(Checkpoints(tmp_path), last_step + 2)
    _check_folder(tmp_path)


@pytest.mark.slow
def test_killed_before_each_change_of_the_disk(
    processes: ForkServerContext, tmp_path: Path
) -> None:
    """Within the writing, before and after the flush, the replacement and each removal."""
    for step in (1, 2, 3, 4):
        save(Checkpoints(tmp_path), step)
    exit_codes: list[int | None] = []
    steps = [4]
    while 0 not in exit_codes:
        arguments = {"at_call": len(exit_codes) + 1}
        process = processes.Process(target=save_and_die, args=(tmp_path,), kwargs=arguments)
        process.start()
        process.join(30)
        assert process.exitcode in (0, -signal.SIGKILL)
        exit_codes.append(process.exitcode)
        steps.append(check_content(Checkpoints(tmp_path).newest()).step)
        best = check_content(Checkpoints(tmp_path).best())
        assert best.step == max(range(1, steps[-1] + 1), key=score_of)
    assert len(exit_codes) > 15
    assert steps == sorted(steps) and len(set(steps)) >= 3  # before, and after, the replacement
    _check_folder(tmp_path)
