"""Shards by URL: whole or not at all, whatever the server does; a cache with a limit."""

import hashlib
from pathlib import Path

import pytest
import torch

from odvae.data import VideoRange
from odvae.data.shards import ShardClips, open_shards
from odvae.errors import UserError

from .made_shards import CONFIG, cache, foreign_tar, make_shards, make_videos
from .shard_server import serving


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoRange]:
    return make_videos(tmp_path_factory.mktemp("videos"), 12)


@pytest.fixture(scope="module")
def folder(videos: list[VideoRange], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shards"), videos, per_shard=1)


SHARDS = "{000000..000011}.tar"


def fetched(cache_folder: Path) -> list[Path]:
    """What lies in the cache, finished or not, least recently used first."""
    files = [p for p in (cache_folder / "fetched").iterdir() if p.suffix != ".lock"]
    return sorted(files, key=lambda path: path.stat().st_mtime_ns)


def test_same_clips_as_from_disk(folder: Path, tmp_path: Path) -> None:
    local = ShardClips(open_shards(str(folder), cache(tmp_path / "a")), CONFIG, seed=0)
    with serving(folder) as server:
        shards = open_shards(f"{server.url}/{SHARDS}", cache(tmp_path / "b"))
        remote = ShardClips(shards, CONFIG, seed=0)
        for step in range(6):
            assert torch.equal(remote.batch(step, 4), local.batch(step, 4))
        assert max(server.asked.values()) == 1  # two epochs, fetched once
    again = ShardClips(shards, CONFIG, seed=0)  # the server is gone now
    assert torch.equal(again.batch(2, 4), local.batch(2, 4))
    for path in fetched(tmp_path / "b"):
        content = path.read_bytes()
        digests = {shard.entry.sha256 for shard in shards.shards}
        assert path.suffix == ".tar" and hashlib.sha256(content).hexdigest() in digests


def test_shards_are_fetched_before_they_are_needed(folder: Path, tmp_path: Path) -> None:
    with serving(folder) as server:
        clips = ShardClips(open_shards(f"{server.url}/{SHARDS}", cache(tmp_path)), CONFIG, seed=0)
        clips.batch(0, 1)
        ahead = clips._ahead
        assert ahead is not None
        ahead.join()
        assert server.asked.total() == 1 + 8  # the index, this window and the next
        clips.batch(5, 1)  # in the second window
        assert clips._ahead is not ahead and clips._ahead is not None
        clips._ahead.join()
        assert server.asked.total() == 1 + 12


def test_a_server_that_dies_in_the_middle_is_asked_again(folder: Path, tmp_path: Path) -> None:
    local = open_shards(str(folder), cache(tmp_path / "a"))
    with serving(folder) as server:
        server.busy["index.json"] = 1
        server.cut["000000.tar"] = 1
        server.short["000001.tar"] = 2
        server.busy["000002.tar"] = 2
        remote = open_shards(f"{server.url}/{{000000..000002}}.tar", cache(tmp_path / "b"))
        for shard, other in zip(remote.shards, local.shards, strict=False):
            sample = shard.samples[0]
            assert remote.read(shard, sample) == local.read(other, sample)
        assert server.asked == {
            "index.json": 2,
            "000000.tar": 2,
            "000001.tar": 3,
            "000002.tar": 3,
        }


@pytest.mark.parametrize("trouble", ["cut", "short", "busy", "gone", "other", "dead"])
def test_a_shard_that_is_not_to_be_had_is_named(
    trouble: str, folder: Path, videos: list[VideoRange], tmp_path: Path
) -> None:
    (tmp_path / "served").mkdir()
    for path in (folder / "index.json", folder / "000000.tar"):
        (tmp_path / "served" / path.name).write_bytes(path.read_bytes())
    shard_path = tmp_path / "served" / "000000.tar"
    with serving(tmp_path / "served") as server:
        shards = open_shards(f"{server.url}/000000.tar", cache(tmp_path / "cache"))
        shard = shards.shards[0]
        match trouble:
            case "cut":
                server.cut["000000.tar"] = 9
            case "short":
                server.short["000000.tar"] = 9
            case "busy":
                server.busy["000000.tar"] = 9
            case "gone":
                shard_path.unlink()
            case "other":
                shard_path.write_bytes(bytes(shard.entry.bytes))
        said = {
            "cut": "3 attempts",
            "short": r"bytes came instead of \d+",
            "busy": "3 attempts; last: the server says 503",
            "gone": "the server says 404",
            "other": "its sha256 is",
            "dead": "3 attempts; last: .*refused",
        }[trouble]
        if trouble != "dead":
            with pytest.raises(UserError, match=rf"shard http.*000000\.tar: .*{said}"):
                shards.read(shard, shard.samples[0])
    if trouble == "dead":
        with pytest.raises(UserError, match=rf"shard http.*000000\.tar: .*{said}"):
            shards.read(shard, shard.samples[0])
    assert fetched(tmp_path / "cache") == []


def test_training_survives_one_death_and_names_a_final_one(folder: Path, tmp_path: Path) -> None:
    local = ShardClips(open_shards(str(folder), cache(tmp_path / "a")), CONFIG, seed=0)
    with serving(folder) as server:
        for number in range(12):
            server.cut[f"{number:06d}.tar"] = 1
        shards = open_shards(f"{server.url}/{SHARDS}", cache(tmp_path / "b"))
        assert torch.equal(ShardClips(shards, CONFIG, seed=0).batch(0, 12), local.batch(0, 12))
        gone = open_shards(f"{server.url}/{SHARDS}", cache(tmp_path / "c", attempts=1))
    with pytest.raises(UserError, match=r"shard http.*\.tar: not to be had in 1 attempts"):
        ShardClips(gone, CONFIG, seed=0).batch(0, 12)
    assert fetched(tmp_path / "c") == []


def test_the_least_recently_used_make_room(folder: Path, tmp_path: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(folder.glob("*.tar"))]
    limit_bytes = 8 * max(sizes)
    with serving(folder) as server:
        shards = open_shards(
            f"{server.url}/{SHARDS}", cache(tmp_path / "c", limit_bytes=limit_bytes)
        )
        for number in (0, 1, 2, 3, 4, 5, 6, 7, 0, 8, 9, 0, 10, 11, 0):
            shard = shards.shards[number]
            shards.read(shard, shard.samples[0])
            assert sum(path.stat().st_size for path in fetched(tmp_path / "c")) <= limit_bytes
        assert server.asked["000000.tar"] == 1  # used again and again, so it stayed
        shards.read(shards.shards[1], shards.shards[1].samples[0])
        assert server.asked["000001.tar"] == 2
        clips = ShardClips(shards, CONFIG, seed=0)
        whole = open_shards(str(folder), cache(tmp_path / "d"))
        assert torch.equal(clips.batch(0, 24), ShardClips(whole, CONFIG, seed=0).batch(0, 24))
        small = cache(tmp_path / "e", limit_bytes=limit_bytes // 2)
        with pytest.raises(UserError, match="the cache of shards must hold 8 of them"):
            ShardClips(open_shards(f"{server.url}/{SHARDS}", small), CONFIG, seed=0)


def test_what_a_killed_download_left_is_no_shard(folder: Path, tmp_path: Path) -> None:
    with serving(folder) as server:
        kept = cache(tmp_path)
        shards = open_shards(f"{server.url}/000000.tar", kept)
        shard = shards.shards[0]
        target = kept._target(shard.place)
        target.with_suffix(".part").write_bytes(b"half")
        assert len(shards.read(shard, shard.samples[0])) == shard.samples[0].length
    assert fetched(tmp_path) == [target]


def test_foreign_remote_shards(videos: list[VideoRange], tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    for number in range(3):
        foreign_tar(tmp_path / "served" / f"{number}.tar", videos[number : number + 1])
    kept = cache(tmp_path / "cache", limit_bytes=1)  # each makes room for the next at once
    with serving(tmp_path / "served") as server:
        asked = []
        for _ in range(2):
            shards = open_shards(f"{server.url}/{{0..2}}.tar", kept)
            assert len(shards) == 3
            asked.append(server.asked["0.tar"])
        # Its index is kept. Before that it may be evicted ahead of its opening, and come anew.
        assert asked[0] == asked[1] >= 1
        shard = shards.shards[1]
        assert shards.read(shard, shard.samples[0]) == videos[1].path.read_bytes()
        foreign_tar(tmp_path / "served" / "2.tar", videos[7:8])
        with pytest.raises(UserError, match=r"2\.tar: .*(its sha256 is|bytes came)"):
            shards.read(shards.shards[2], shards.shards[2].samples[0])
