"""Training clips out of shards: a function of seed and step, each sample once an epoch."""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from odvae.data import Augment, VideoRange
from odvae.data.shards import ShardClips, open_shards
from odvae.errors import UserError

from .made_shards import CONFIG, cache, foreign_tar, make_shards, make_videos, origins
from .made_videos import FORMATS, damage_frame, make_video

VIDEOS = 26  # in 9 shards of 3: windows of 4, 4 and 1


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoRange]:
    return make_videos(tmp_path_factory.mktemp("videos"), VIDEOS)


@pytest.fixture(scope="module")
def folder(videos: list[VideoRange], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shards"), videos, per_shard=3)


def clips_of(folder: Path, *, seed: int = 0, augment: Augment) -> ShardClips:
    shards = open_shards(str(folder), cache(folder.parent / "cache"))
    return ShardClips(shards, replace(CONFIG, augment=augment), seed=seed)


def seen(clips: ShardClips, videos: Sequence[VideoRange], steps: range, *, batch: int) -> list[int]:
    """The videos of all clips of some steps, in their order."""
    return [n for step in steps for n in origins(clips.batch(step, batch), videos)]


def test_clips_are_frames_of_the_files_each_once_an_epoch(
    videos: list[VideoRange], folder: Path
) -> None:
    clips = clips_of(folder, augment=Augment.none)
    assert clips.epoch_samples == VIDEOS
    epochs = [seen(clips, videos, range(13 * e, 13 * e + 13), batch=2) for e in range(2)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(VIDEOS))
    assert epochs[0] != epochs[1] != sorted(epochs[1])
    other_seed = clips_of(folder, seed=1, augment=Augment.none)
    assert seen(other_seed, videos, range(13), batch=2) != epochs[0]
    # Also where an epoch ends in the middle of a batch.
    uneven = seen(clips, videos, range(11), batch=5)
    assert sorted(uneven[:VIDEOS]) == list(range(VIDEOS)) == sorted(uneven[VIDEOS : 2 * VIDEOS])


def test_a_batch_is_pure(folder: Path) -> None:
    """The same from any step on, in any order, from several threads."""
    batches = {step: clips_of(folder, augment=Augment.colour).batch(step, 3) for step in range(5)}
    assert batches[0].shape == (3, 3, 5, 48, 48) and batches[0].dtype == torch.float32
    assert batches[0].abs().max() <= 1
    clips = clips_of(folder, augment=Augment.colour)
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(lambda step: clips.batch(step, 3), reversed(batches)))
    for step, batch in zip(reversed(batches), again, strict=True):
        assert torch.equal(batch, batches[step])
    assert not torch.equal(batches[0], batches[1])
    for data_round in (1, 2):  # after training had to go back
        assert not torch.equal(clips.batch(0, 3, data_round), batches[0])
        assert torch.equal(clips.batch(0, 3, data_round), clips.batch(0, 3, data_round))


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_a_batch_together_are_the_batch(folder: Path, parts: int) -> None:
    clips = clips_of(folder, augment=Augment.colour)
    each = [range(2 * i, 2 * i + 2) for i in range(parts)]
    for step in (0, 3, 7):  # the last one straddles two epochs
        whole = clips.batch(step, 2 * parts)
        shared = [
            clips_of(folder, augment=Augment.colour).batch(step, 2 * parts, part=part)
            for part in each
        ]
        assert torch.equal(torch.cat(shared), whole)


def test_foreign_shards_give_the_same_frames(videos: list[VideoRange], tmp_path: Path) -> None:
    for number in range(2):
        foreign_tar(tmp_path / f"{number}.tar", videos[number * 4 : number * 4 + 4])
    shards = open_shards(str(tmp_path / "{0..1}.tar"), cache(tmp_path / "cache"))
    clips = ShardClips(shards, CONFIG, seed=0)
    assert sorted(seen(clips, videos[:8], range(4), batch=2)) == list(range(8))


def test_windows_stay_in_the_range(tmp_path: Path) -> None:
    """Clips of a part of a video come from that part only."""
    path = make_video(tmp_path / "v.mkv", 30, FORMATS["mkv, lossless"])
    ranges = [VideoRange(path, "v.mkv", 10, 16), VideoRange(path, "v.mkv", 20, 25)]
    make_shards(tmp_path / "s", ranges, per_shard=9)
    shards = open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))
    clips = ShardClips(shards, CONFIG, seed=0)
    parts = make_parts(tmp_path / "parts", (10, 11, 20))
    assert set(seen(clips, parts, range(10), batch=2)) == {0, 1, 2}


def make_parts(folder: Path, firsts: Sequence[int]) -> list[VideoRange]:
    """Videos that show the five numbers from each of ``firsts`` on."""
    folder.mkdir()
    return [
        VideoRange(
            make_video(folder / f"{n}.mkv", 5, FORMATS["mkv, lossless"], first_number=n), "", 0, 5
        )
        for n in firsts
    ]


def test_unreadable_samples_are_counted_and_drawn_again(
    videos: list[VideoRange], tmp_path: Path
) -> None:
    bad = damage_frame(make_video(tmp_path / "bad.avi", 5, FORMATS["avi"]), 2)
    short = make_video(tmp_path / "short.mkv", 3, FORMATS["mkv, lossless"])
    empty = tmp_path / "empty.mp4"
    empty.touch()
    broken = [VideoRange(path, path.name, 0, 5) for path in (bad, short, empty)]
    foreign_tar(tmp_path / "x.tar", [*videos[:5], *broken])
    shards = open_shards(str(tmp_path / "x.tar"), cache(tmp_path / "cache"))
    clips = ShardClips(shards, CONFIG, seed=0)
    epoch = seen(clips, videos[:5], range(4), batch=2)
    assert set(epoch) == set(range(5)) and len(epoch) == 8
    assert set(clips.skipped) == {"x.tar/some/x0005", "x.tar/some/x0006", "x.tar/some/x0007"}
    counts = clips.skipped.copy()
    assert seen(clips, videos[:5], range(4), batch=2) == epoch
    assert clips.skipped == counts + counts


def test_what_killed_processes_left_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new, other = (tmp_path / n for n in ("odvae-clip-a.mp4", "odvae-clip-b.mp4", "c.mp4"))
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    cache(tmp_path / "cache")
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_nothing_but_failures_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(b"no video")
    foreign_tar(tmp_path / "x.tar", [VideoRange(path, "no.mp4", 0, 5)])
    shards = open_shards(str(tmp_path / "x.tar"), cache(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"20 training clips in a row .* x\.tar/some/x0000: Inv"):
        ShardClips(shards, CONFIG, seed=0).batch(0, 1)
