"""python -m odvae.shard, in this process and killed in one of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hydra.core.global_hydra import GlobalHydra

from odvae.data.shards import ShardCache, open_shard_source
from odvae.data.shards.index import from_json
from odvae.shard import main

from ..data.made_shards import CONFIG, make_videos


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve videos, one file that is none, and one too short."""
    folder = tmp_path_factory.mktemp("videos")
    make_videos(folder, 12)
    (folder / "bad.mp4").write_bytes(b"no video")
    make_videos(folder / "short", 1, frames=2)
    return folder


def words(folder: Path) -> list[str]:
    return ["preset=smoke", "data=folder", f"data.path={folder}", "data.clip_frames=5"]


def run(*arguments: str) -> int:
    GlobalHydra.instance().clear()
    return main(arguments)


def tars(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.tar")}


def test_shards_of_a_source(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (*words(folder), str(tmp_path / "s"), "--shard-mb", "0.03")
    assert run(*command) == 0
    out = capsys.readouterr().out
    train, heldout, skipped, *reasons = out.splitlines()
    counts = [
        [int(number) for number in re.findall(r"(\d+) shards, (\d+) samples", line)[0]]
        for line in (train, heldout)
    ]
    assert train.startswith("train  ") and heldout.startswith("heldout  ")
    assert counts[0][1] + counts[1][1] == 12
    assert skipped == "skipped  2"
    assert "bad.mp4: Invalid data" in reasons[0] and "2 frames, a clip spans 5" in reasons[1]
    for side, (shards, samples) in zip(("train", "heldout"), counts, strict=True):
        index = from_json((tmp_path / "s" / side / "index.json").read_text(), where="")
        assert index is not None and len(index) == shards
        assert sum(len(entry.samples) for entry in index) == samples
    source = open_shard_source(CONFIG, ShardCache(tmp_path / "cache"), train=str(tmp_path / "s"))
    assert len(source.train) == counts[0][1]
    before = tars(tmp_path / "s")
    assert run(*command) == 0  # again: all is there
    assert f"{counts[0][0]} shards ({counts[0][0]} from before)" in capsys.readouterr().out
    assert tars(tmp_path / "s") == before


def test_videos_split_by_time_share_no_frame(tmp_path: Path) -> None:
    assert run("preset=smoke", "data=bundled", str(tmp_path / "s")) == 0
    sides = {}
    for side in ("train", "heldout"):
        index = from_json((tmp_path / "s" / side / "index.json").read_text(), where="")
        assert index is not None
        for sample in index[0].samples:
            assert sample.frames is not None
            sides[side, sample.key.rpartition("-")[0]] = sample
    for (side, name), sample in sides.items():
        if side == "train":
            assert sample.first_frame + (sample.frames or 0) == sides["heldout", name].first_frame


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data=folder", "data.path=nowhere", "DST"], "data.path must be an existing folder"),
        (["data=bundled"], "one folder for the shards is needed, got none"),
        (["data=bundled", "a", "b"], "got a b"),
        (["data=bundled", "DST", "--reencode", "vp9"], "invalid choice: 'vp9'"),
        (["data=bundled", "DST", "--shard-mb", "0"], "--shard-mb must lie in"),
        (["data=nothing", "DST"], "nothing"),
        (["seed=1,2", "DST"], "one value at a time"),
        (["data=bundled", "FULL"], "holds something else"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "letter.txt").write_text("precious")
    given = [str(tmp_path / a) if a in ("DST", "FULL") else a for a in arguments]
    assert run(*given) == 2
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch(r"odvae: .+\n", err) and said in err
    assert not (tmp_path / "DST").exists()
    assert [path.name for path in (tmp_path / "FULL").iterdir()] == ["letter.txt"]


def test_one_writer_at_a_time(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    with FileLock(tmp_path / "s" / ".lock"):
        assert run(*words(folder), str(tmp_path / "s")) == 2
    assert "is being written by another odvae shard" in capsys.readouterr().err
    assert run(*words(folder), str(tmp_path / "s")) == 0


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(folder: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(60):
        shutil.copy(folder / f"v{number % 12:02d}.mkv", many / f"{number}.mkv")
    options = ("--shard-mb", "0.004", "--reencode", "h264")
    target = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "odvae.shard", *words(many), str(target), *options],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline_s = time.monotonic() + 60
    while len(list(target.glob("*/*.tar"))) < 3 and process.poll() is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = tars(target)
    assert not (target / "heldout").exists()
    assert run(*words(many), str(target), *options) == 0
    assert run(*words(many), str(tmp_path / "whole"), *options) == 0
    whole = tars(tmp_path / "whole")
    assert tars(target) == whole and finished.items() < whole.items()
