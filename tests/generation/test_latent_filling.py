"""A cache is made once, whatever happens on the way: passes, damage, kills, several processes."""

import errno
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from safetensors.torch import load
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.latent_cache import LatentCache
from odvae.inference import Tiling
from odvae.model import Encoding
from tests.data.made_videos import FORMATS, make_video
from tests.generation.made_caches import (
    Making,
    fill_and_die,
    fill_slowly,
    forbidden,
    windows_of,
)


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    """Starts processes that have torch already: in milliseconds, not seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.generation.made_caches"])
    yield context


def _tensors(folder: Path) -> list[dict[str, Tensor]]:
    """Of each shard, read and not mapped."""
    return [load(path.read_bytes()) for path in sorted(folder.glob("*.safetensors"))]


def test_a_second_pass_encodes_nothing(short_videos: Path, tmp_path: Path) -> None:
    making = Making.of(windows_of(short_videos))
    making.fill(tmp_path)
    folder = making.plan.folder(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    again = Making.of(windows_of(short_videos))
    assert again.fill(tmp_path, forbidden) == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.*")} == before


def test_another_vae_or_other_clips_are_another_cache(short_videos: Path, tmp_path: Path) -> None:
    windows = windows_of(short_videos)
    makings = [
        Making.of(windows),
        Making.of(windows, vae_digest="b"),
        Making.of(windows_of(short_videos, clips=1)),
        Making.of(windows_of(short_videos, clip_frames=3)),
        Making.of(windows, tiling=Tiling.stream(8)),
        Making.of(windows, clips_per_shard=3),
    ]
    for making in makings:
        assert making.fill(tmp_path) == len(making.plan.windows)
    folders = {making.plan.folder(tmp_path) for making in makings}
    assert len(folders) == len(makings)
    for making in makings:  # the old ones stay as they are
        assert making.fill(tmp_path, forbidden) == 0


def test_content_counts_and_not_the_place(short_videos: Path, tmp_path: Path) -> None:
    key = Making.of(windows_of(short_videos)).plan.key
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in short_videos.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    assert Making.of(windows_of(moved)).plan.key == key
    changed = windows_of(moved).manifest.clips[0].file
    make_video(moved / changed, 24, FORMATS["mkv, lossless"], first_number=7)
    assert Making.of(windows_of(moved)).plan.key != key


def test_a_damaged_shard_is_encoded_again_and_no_other(short_videos: Path, tmp_path: Path) -> None:
    making = Making.of(windows_of(short_videos))
    making.fill(tmp_path)
    folder = making.plan.folder(tmp_path)
    meant = _tensors(folder)
    first, second, *_ = (path.read_bytes() for path in sorted(folder.glob("*.safetensors")))
    for damaged in (second[:-9], b"", second[:-9] + b"x" + second[-8:], first):
        (folder / "00001.safetensors").write_bytes(damaged)
        encoded: list[list[int]] = []

        def once(numbers: range, encoded: list[list[int]] = encoded) -> Encoding:
            encoded.append([*numbers])
            return making.encoder.encode(numbers)

        assert making.fill(tmp_path, once) == 2
        assert encoded == [[2, 3]]
        assert_close(_tensors(folder), meant, atol=0, rtol=0)


def test_a_full_disk_leaves_what_is_finished(
    short_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making.of(windows_of(short_videos))
    fsync, calls = os.fsync, list[int]()

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:  # the second shard: each syncs its file, then its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"output_dir: .*No space.*1 of \d shards are finished"):
            making.fill(tmp_path)
    assert making.sound(tmp_path) == [0]
    assert not [*making.plan.folder(tmp_path).glob("*.part")]
    assert making.fill(tmp_path) == len(making.plan.windows) - 2


@pytest.mark.slow
def test_killed_before_each_change_of_the_disk(
    short_videos: Path, processes: ForkServerContext, tmp_path: Path
) -> None:
    """What was finished stays, byte for byte; the shard at work is all that is lost."""
    making = Making.of(windows_of(short_videos))
    folder = making.plan.folder(tmp_path)
    contents: dict[str, bytes] = {}
    exit_code: int | None = None
    kills = 0
    while exit_code != 0:
        arguments = (short_videos, tmp_path, 1 + kills % 4)
        process = processes.Process(target=fill_and_die, args=arguments)
        process.start()
        process.join(60)
        exit_code = process.exitcode
        assert exit_code in (0, -signal.SIGKILL)
        kills += exit_code != 0
        now = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
        assert contents.items() <= now.items()
        assert making.sound(tmp_path) == sorted(int(name[:5]) for name in now)
        contents = now
        assert kills < 40
    assert kills > 2
    assert making.fill(tmp_path, forbidden) == 0
    assert len(LatentCache.open(folder)) == len(making.plan.windows)


def test_two_processes_share_the_work(
    short_videos: Path, processes: ForkServerContext, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    together = processes.Barrier(2)
    arguments = (short_videos, tmp_path, log, together.wait)
    workers = [processes.Process(target=fill_slowly, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len({process for process, _ in lines}) == 2
    making = Making.of(windows_of(short_videos))
    firsts = [making.plan.numbers(shard)[0] for shard in range(making.plan.shards)]
    assert sorted(int(first) for _, first in lines) == firsts
    assert making.fill(tmp_path, forbidden) == 0
    assert len(LatentCache.open(making.plan.folder(tmp_path))) == len(making.plan.windows)
