"""Checkpoints: damage is seen, the last and the best stay, a full disk costs nothing."""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from odvae.training import checkpoint_file
from odvae.training.checkpoints import Checkpoints
from tests.training.saved_states import check_content, content_of

CONTENT_BYTES = 200_000 * 4 * 2 + 50_000


def _steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("_")[3]) for path in folder.glob("state_*.pt"))


def _small(checkpoints: Checkpoints, step: int, score: float | None = None) -> Path:
    return checkpoints.save({"step": step}, step=step, score=score)


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A folder with the checkpoints of steps 1 and 2, and their paths."""
    checkpoints = Checkpoints(tmp_path)
    paths = [checkpoints.save(content_of(step), step=step) for step in (1, 2)]
    return tmp_path, paths[0], paths[1]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "new" / "folder")
    assert checkpoints.newest() is None and checkpoints.best() is None
    path = checkpoints.save(content_of(3), step=3, score=-1.5e-7)
    loaded = check_content(checkpoints.newest())
    assert (loaded.step, loaded.score, loaded.path, loaded.passed_over) == (3, -1.5e-7, path, [])
    assert torch.load(path, weights_only=True)["step"] == 3  # a plain file of torch's


def test_shared_storage_stays_shared_and_counts_once(tmp_path: Path) -> None:
    whole = torch.arange(100_000.0)
    content = {"a": whole, "b": whole[10:20], "c": whole.view(2, -1).T}
    path = Checkpoints(tmp_path).save(content, step=0)
    loaded = Checkpoints(tmp_path).newest()
    assert loaded is not None
    assert_close(loaded.content, content, atol=0, rtol=0)
    loaded.content["a"][10] = -1.0
    assert loaded.content["b"][0] == -1.0
    assert 400_000 < path.stat().st_size < checkpoint_file.estimated_bytes(content) < 1_600_000


def test_a_training_of_torch_comes_back(tmp_path: Path) -> None:
    """State dicts and optimisers' states are what is allowed."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    adam = torch.optim.AdamW(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    adam.step()
    content = {"model": model.state_dict(), "adam": adam.state_dict(), "rng": torch.get_rng_state()}
    Checkpoints(tmp_path).save(content, step=1)
    loaded = Checkpoints(tmp_path).newest()
    assert loaded is not None and isinstance(loaded.content["model"], OrderedDict)
    assert_close(loaded.content["model"], model.state_dict(), atol=0, rtol=0)
    assert_close(loaded.content["adam"]["state"], adam.state_dict()["state"], atol=0, rtol=0)
    assert loaded.content["adam"]["param_groups"] == adam.state_dict()["param_groups"]


@pytest.mark.parametrize("value", [np.float64(1.0), Path("a"), {1, 2}, print, {("a",): 1}])
def test_what_could_not_be_loaded_is_not_saved(value: object, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^content\['a'\]\[0\] "):
        Checkpoints(tmp_path).save({"a": [value]}, step=0)
    assert list(tmp_path.iterdir()) == []


def _check_passed_over(folder: Path, damaged: Path) -> None:
    told: list[str] = []
    loaded = check_content(Checkpoints(folder, note=told.append).newest())
    assert loaded.step == 1
    assert loaded.passed_over == told and len(told) == 1
    assert damaged.name in told[0]


@pytest.mark.parametrize("per_mille", [0, 1, 2, *range(50, 1000, 50), 999])
def test_a_truncated_one_is_passed_over(per_mille: int, two: tuple[Path, Path, Path]) -> None:
    folder, _, newest = two
    os.truncate(newest, newest.stat().st_size * per_mille // 1000)
    _check_passed_over(folder, newest)


@pytest.mark.parametrize("less", [1, 2, 22, 100])
def test_a_last_byte_that_is_missing_is_seen(less: int, two: tuple[Path, Path, Path]) -> None:
    folder, _, newest = two
    os.truncate(newest, newest.stat().st_size - less)
    _check_passed_over(folder, newest)


@pytest.mark.parametrize("part", range(10))
def test_one_flipped_bit_is_seen(part: int, two: tuple[Path, Path, Path]) -> None:
    folder, _, newest = two
    data = bytearray(newest.read_bytes())
    data[(len(data) - 1) * part // 9] ^= 1 << (part % 8)
    newest.write_bytes(data)
    _check_passed_over(folder, newest)


@pytest.mark.parametrize("kept", [0, 4096, 1_000_000])
def test_a_tail_of_zeros_is_seen(kept: int, two: tuple[Path, Path, Path]) -> None:
    """What some file systems leave after a power cut."""
    folder, _, newest = two
    size_bytes = newest.stat().st_size
    os.truncate(newest, kept)
    os.truncate(newest, size_bytes)
    _check_passed_over(folder, newest)


def test_all_damaged_is_none_with_reasons(two: tuple[Path, Path, Path]) -> None:
    folder, first, second = two
    os.truncate(first, 0)
    os.truncate(second, 100)
    told: list[str] = []
    checkpoints = Checkpoints(folder, note=told.append)
    assert checkpoints.newest() is None
    assert [path.name in reason for path, reason in zip((second, first), told, strict=True)]
    third = checkpoints.save(content_of(1), step=1)  # starts anew
    assert [*folder.iterdir()] == [third]


def test_a_damaged_one_takes_no_place(tmp_path: Path) -> None:
    """Neither among the last, though its step is higher, nor as the best."""
    checkpoints = Checkpoints(tmp_path)
    _small(checkpoints, 10, score=1.0)
    damaged = _small(checkpoints, 20, score=9.0)
    damaged.write_bytes(b"")
    again = Checkpoints(tmp_path)
    for step in (11, 12, 13):
        _small(again, step)
    assert _steps(tmp_path) == [10, 12, 13]
    best = again.best()
    assert best is not None and (best.step, best.passed_over) == (10, [])


def test_the_last_and_the_best_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=2, keep_best=1)
    for step, score, kept in [
        (1, 5.0, [1]),
        (2, None, [1, 2]),
        (3, 4.0, [1, 2, 3]),
        (4, float("nan"), [1, 3, 4]),
        (5, 5.0, [4, 5]),  # of equals the newest
        (6, float("inf"), [5, 6]),
        (7, None, [5, 6, 7]),
    ]:
        _small(checkpoints, step, score)
        assert _steps(tmp_path) == kept
    best, newest = checkpoints.best(), checkpoints.newest()
    assert best is not None and (best.step, best.score, best.content) == (5, 5.0, {"step": 5})
    assert newest is not None and newest.step == 7


@pytest.mark.parametrize(
    ("keep_last", "keep_best", "kept"), [(1, 0, [9]), (1, 2, [1, 2, 9]), (4, 0, [6, 7, 8, 9])]
)
def test_so_many_are_kept(keep_last: int, keep_best: int, kept: list[int], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=keep_last, keep_best=keep_best)
    for step in range(1, 10):
        _small(checkpoints, step, score=-step)
    assert _steps(tmp_path) == kept


def test_newest_is_the_one_written_last(tmp_path: Path) -> None:
    """After a roll-back a step comes again, with something else in it."""
    checkpoints = Checkpoints(tmp_path)
    for step, data_round in [(10, 0), (20, 0), (10, 1)]:
        checkpoints.save({"data_round": data_round}, step=step)
    newest = Checkpoints(tmp_path).newest()
    assert newest is not None and (newest.step, newest.content) == (10, {"data_round": 1})


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    foreign = ["notes.txt", "state.pt", "state_1_step_1.pt", "state_000001_step_1_score_a_00.pt"]
    for name in foreign:
        (tmp_path / name).write_text("mine")
    (tmp_path / ("state_000009_step_9_" + 16 * "0" + ".pt")).mkdir()
    (tmp_path / "unfinished.part").write_text("a scrap of an interrupted save")
    before = {path.name for path in tmp_path.iterdir()} - {"unfinished.part"}
    checkpoints = Checkpoints(tmp_path, keep_last=1)
    for step in (1, 2):
        saved = _small(checkpoints, step)
    assert {path.name for path in tmp_path.iterdir()} == before | {saved.name}
    checkpoints.forget()
    assert {path.name for path in tmp_path.iterdir()} == before
    assert checkpoints.newest() is None
