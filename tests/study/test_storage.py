"""A study's memory: it is not lost, not mixed up, and what breaks it is said in a line."""

import json
import multiprocessing
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odvae.compose import compose_run
from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.study.facts import claim, facts_of
from odvae.experiment.study.locks import FileLocks, Presence
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.storage import opened
from tests.study.made_studies import SPACE, make_plan, quality, working


@pytest.fixture(scope="module")
def first() -> RunConfig:
    return compose_run([*make_plan().edges()[0], "preset=smoke"])


def _claim(folder: Path, first: RunConfig, plan: StudyPlan | None = None, **changed: Any) -> str:
    plan = plan or make_plan()
    with opened(plan, folder, steps=8) as shared:
        return claim(shared, facts_of(plan, replace(first, **changed)))


def test_the_same_study_is_known_again(tmp_path: Path, first: RunConfig) -> None:
    identity = _claim(tmp_path, first)
    longer = make_plan(trials=60, sampler="random", pruner={"name": "median"})
    assert _claim(tmp_path, first, longer, output_dir="elsewhere") == identity
    assert _claim(tmp_path, first, make_plan(name="other")) != identity


def test_a_changed_study_is_refused_by_what_differs(tmp_path: Path, first: RunConfig) -> None:
    _claim(tmp_path, first)
    narrower = make_plan(space=SPACE | {"variant": {"choices": [1, 4]}})
    with pytest.raises(UserError) as error:
        _claim(tmp_path, first, narrower)
    assert str(error.value) == (
        "study made: hydra.sweeper.space.variant is [1, 2, 4] in it, [1, 4] here; "
        "hydra.sweeper.name=NAME begins another"
    )
    more = make_plan(space=SPACE | {"train.batch": {"low": 1, "high": 2}})
    with pytest.raises(UserError, match=r"train\.batch is not varied in it, 1 to 2 here"):
        _claim(tmp_path, first, more)
    other = make_plan(objectives=[{"metric": "eval/ssim"}])
    with pytest.raises(UserError, match=r'is \["maximize eval/psnr_db"\] in it'):
        _claim(tmp_path, first, other)
    with pytest.raises(UserError, match=r"seed is 0 in it, 6 here; .* and 1 more;"):
        train = replace(first.train, steps=7, batch=4)
        _claim(tmp_path, first, task=Task.benchmark, seed=6, train=train)


@pytest.mark.parametrize("cut", [1, 20])
def test_a_journal_that_a_full_disk_cut_short_is_mended(tmp_path: Path, cut: int) -> None:
    plan = make_plan(trials=3)
    with working(plan, tmp_path) as worker:
        worker.work(at_most=1)
    file = tmp_path / "studies" / "made.journal"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code":5,"worker_id":"unfinished'[:cut])
    with working(plan, tmp_path) as worker:
        worker.work()
        assert [trial.number for trial in worker.shared.trials()] == [0, 1, 2]
    lines = file.read_bytes().splitlines(keepends=True)
    assert b"".join(lines[: whole.count(b"\n")]) == whole
    assert all(json.loads(line) for line in lines)


def test_an_error_of_the_disk_is_a_line_and_the_study_goes_on(tmp_path: Path) -> None:
    plan = make_plan(trials=2)
    file = tmp_path / "studies" / "made.journal"
    with working(plan, tmp_path) as worker:
        worker.work(at_most=1)
        kept = file.read_bytes()
        file.unlink()
        file.mkdir()
        with pytest.raises(UserError, match=r"storage .*made\.journal cannot be used: .*directory"):
            worker.work()
        file.rmdir()
        file.write_bytes(kept)
    with working(plan, tmp_path) as worker:
        worker.work()
        assert len(worker.shared.trials()) == 2


@pytest.mark.parametrize("address", ["postgresql://", "postgresql+nothing://host/name"])
def test_an_address_that_cannot_be_used_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError) as error, working(make_plan(storage=address), tmp_path):
        pass
    assert "postgresql" in str(error.value) and "\n" not in str(error.value)


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event") -> None:
    locks = FileLocks(folder)
    assert locks.hold(3)
    ready.set()
    multiprocessing.Event().wait(60)


def test_locks_end_with_their_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    other = context.Process(target=_hold, args=(tmp_path, ready))
    other.start()
    assert ready.wait(60)
    locks = FileLocks(tmp_path)
    assert not locks.hold(3) and locks.hold(4)
    other.kill()
    other.join()
    assert locks.hold(3)
    locks.close()


def test_one_worker_after_the_other_shows_that_a_study_is_worked_on(tmp_path: Path) -> None:
    one, other, outside = (Presence(tmp_path / "lock") for _ in range(3))
    with other:
        with one:
            one.show()
            outside.show()
        other.show()  # as it does before every trial
        with outside:
            pass
    with outside:
        other.show()


SERVER = os.environ.get("ODVAE_TEST_POSTGRESQL")  # an empty database: postgresql://user@host/name


@pytest.mark.skipif(SERVER is None, reason="needs ODVAE_TEST_POSTGRESQL, a database to write to")
def test_workers_share_a_study_in_postgresql(tmp_path: Path) -> None:
    """Also its locks: a trial of a worker that is gone is gone on with, no other is."""
    plan = make_plan(trials=4, storage=SERVER, name=f"test-{uuid.uuid4().hex}")
    with working(plan, tmp_path) as one, working(plan, tmp_path) as other:
        first = one.trials.next()
        assert first is not None and first.name.startswith("trial 0")
        other.work(at_most=2)
        assert [trial.number for trial in other.shared.trials()] == [0, 1, 2]
    with working(plan, tmp_path) as worker:
        taken = worker.trials.next()
        assert taken is not None and taken.name == first.name
        worker.run(taken, quality)
        worker.work()
        assert [trial.state.name for trial in worker.shared.trials()] == ["COMPLETE"] * 4
