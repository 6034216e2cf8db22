"""A full disk or a folder that cannot be written to costs no checkpoint, and says what to do."""

import errno
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from odvae.errors import UserError
from odvae.training.checkpoint_file import estimated_bytes
from odvae.training.checkpoints import Checkpoints, NotEnoughSpace
from tests.training.saved_states import check_content, content_of

NEEDED_BYTES = estimated_bytes(content_of(0))
NOBODY = 65534


def _steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("_")[3]) for path in folder.glob("state_*.pt"))


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _fill(folder: Path, scores: list[float]) -> Checkpoints:
    """Checkpoints of steps 0, 1, ... with these scores; nothing is removed."""
    checkpoints = Checkpoints(folder, keep_last=len(scores))
    for step, score in enumerate(scores):
        checkpoints.save(content_of(step), step=step, score=score)
    return checkpoints


def _free(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))


@contextmanager
def _files_no_longer_than(size_bytes: int) -> Iterator[None]:
    """A write beyond it fails in the system, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_too_little_space_is_told_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, [1.0])
    before = _snapshot(tmp_path)
    _free(monkeypatch, 1_200_000)
    with pytest.raises(NotEnoughSpace) as told:
        Checkpoints(tmp_path).save(content_of(1), step=1)
    text = str(told.value)
    assert str(tmp_path) in text and "\n" not in text
    assert f"needs {NEEDED_BYTES / 1e6:.1f} MB, free are 1.2 MB; free some" in text
    assert _snapshot(tmp_path) == before


def test_the_oldest_spare_one_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step 0 is the best; 1 and 2 are spare; 3 is the newest. One is enough."""
    _fill(tmp_path, [9.0, 1.0, 2.0, 3.0])
    told: list[str] = []
    _free(monkeypatch, NEEDED_BYTES - 1000)
    Checkpoints(tmp_path, keep_last=4, note=told.append).save(content_of(4), step=4)
    assert _steps(tmp_path) == [0, 2, 3, 4]
    assert len(told) == 1 and "dropped the checkpoint of step 1 early" in told[0]


def test_none_is_dropped_where_that_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = _fill(tmp_path, [9.0, 1.0, 2.0])
    before = _snapshot(tmp_path)
    monkeypatch.setattr("odvae.training.checkpoint_file._MARGIN_BYTES", 2 * NEEDED_BYTES)
    _free(monkeypatch, 1000)
    with pytest.raises(NotEnoughSpace):
        checkpoints.save(content_of(3), step=3)
    assert _snapshot(tmp_path) == before


def test_a_damaged_newest_one_is_no_reason_to_drop_a_sound_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = _fill(tmp_path, [9.0, 1.0, 2.0])
    (damaged,) = tmp_path.glob("*_step_2_*")
    os.truncate(damaged, damaged.stat().st_size - 1)
    _free(monkeypatch, NEEDED_BYTES - 1000)
    with _files_no_longer_than(100_000), pytest.raises(NotEnoughSpace):
        checkpoints.save(content_of(3), step=3)
    assert check_content(checkpoints.newest()).step == 1
    assert check_content(checkpoints.best()).step == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.9999])
def test_a_disk_that_fills_up_while_writing(share: float, tmp_path: Path) -> None:
    checkpoints = _fill(tmp_path, [1.0, 2.0])
    before = _snapshot(tmp_path)
    limit = int(share * max(len(data) for data in before.values()))
    with _files_no_longer_than(limit), pytest.raises(NotEnoughSpace, match="not enough space"):
        checkpoints.save(content_of(2), step=2)
    assert _snapshot(tmp_path) == before
    checkpoints.save(content_of(2), step=2)  # room again: goes on
    assert check_content(checkpoints.newest()).step == 2


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 6 MB; needs root."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    mount = shutil.which("mount")
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_small_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds three checkpoints: a fourth needs the place of one. Then others fill it up."""
    told: list[str] = []
    checkpoints = Checkpoints(small_disk, keep_last=3, note=told.append)
    for step in range(8):
        checkpoints.save(content_of(step), step=step, score=-step)
        assert check_content(checkpoints.newest()).step == step
        assert check_content(checkpoints.best()).step == 0
    assert len(told) >= 4
    free_bytes = shutil.disk_usage(small_disk).free
    (small_disk / "others").write_bytes(bytes(max(free_bytes - 500_000, 0)))
    for sees_it in (True, False):  # before writing; only when the system refuses
        if not sees_it:
            _free(monkeypatch, 2 * NEEDED_BYTES)
        before = _snapshot(small_disk)
        with pytest.raises(NotEnoughSpace, match=str(small_disk)):
            Checkpoints(small_disk, keep_last=9).save(content_of(8), step=8)
        assert _snapshot(small_disk) == before


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    Checkpoints(folder).save({"a": 1}, step=1)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    try:
        if is_root:  # root may write anywhere
            os.seteuid(NOBODY)
        loaded = None
        with pytest.raises(UserError, match=rf"{folder} cannot be written: Permission denied"):
            Checkpoints(folder).save({"a": 2}, step=2)
        with pytest.raises(UserError, match=rf"{folder} cannot be removed: Permission denied"):
            Checkpoints(folder).forget()
        loaded = Checkpoints(folder).newest()
        assert loaded is not None and loaded.step == 1
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_one_that_may_not_be_read_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going on from an older one would lose work; a message does not."""
    _fill(tmp_path, [1.0, 2.0])

    def refuse(*_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("odvae.training.checkpoint_file._digest", refuse)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        Checkpoints(tmp_path).newest()


def test_a_disk_that_gives_back_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, [1.0])
    before = _snapshot(tmp_path)
    monkeypatch.setattr("odvae.training.checkpoint_file._digest", lambda _: 16 * "0")
    with pytest.raises(UserError, match="does not give back what was written"):
        Checkpoints(tmp_path).save(content_of(1), step=1)
    assert _snapshot(tmp_path) == before


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Checkpoints(tmp_path / "file").save({}, step=0)


@pytest.mark.parametrize(("keep_last", "keep_best"), [(0, 1), (2, -1)])
def test_at_least_one_is_kept(keep_last: int, keep_best: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="keep_last must be at least 1"):
        Checkpoints(tmp_path, keep_last=keep_last, keep_best=keep_best)
