"""Shards written: whole or not at all, the same after any interruption, over nobody's files."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from odvae.data import VideoRange, probe, read_frames
from odvae.data.shards import Reencode, ShardWriter, open_shards, packing, writer
from odvae.errors import UserError

from .made_shards import cache, make_videos
from .made_videos import FORMATS, make_video, shown_numbers


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoRange]:
    """Nine videos and one that is none."""
    folder = tmp_path_factory.mktemp("videos")
    bad = folder / "bad.mp4"
    bad.write_bytes(b"no video")
    return [*make_videos(folder, 9), VideoRange(bad, "bad.mp4", 0, 5)]


def writer_of(
    folder: Path, videos: list[VideoRange], *, how: Reencode = Reencode.none
) -> ShardWriter:
    """About two videos a shard."""
    size_bytes = videos[0].path.stat().st_size
    return ShardWriter(folder, videos, shard_bytes=round(1.5 * size_bytes), reencode=how)


def contents(folder: Path) -> dict[str, bytes]:
    """All visible files."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_is_written_and_what_is_told(videos: list[VideoRange], tmp_path: Path) -> None:
    seen: list[int] = []
    written = writer_of(tmp_path / "s", videos).write(done=seen.append)
    assert (written.samples, written.kept_shards) == (9, 0)
    assert [one.name for one in written.skipped] == ["bad.mp4"]
    assert written.seconds == pytest.approx(9 * 5 / 25)
    tars = {name: len(data) for name, data in contents(tmp_path / "s").items() if "tar" in name}
    assert sorted(tars) == [f"{n:06d}.tar" for n in range(written.shards)] and written.shards > 3
    assert written.bytes == sum(tars.values())
    assert sorted(seen) == seen and seen[-1] == 10
    again = writer_of(tmp_path / "s", videos).write()
    assert again.kept_shards == again.shards == written.shards
    assert replace(again, kept_shards=0) == written


def test_a_file_that_no_reader_would_take_for_a_video(
    videos: list[VideoRange], tmp_path: Path
) -> None:
    odd = tmp_path / "video.dat"
    odd.write_bytes(videos[0].path.read_bytes())
    written = writer_of(tmp_path / "s", [VideoRange(odd, "video.dat", 0, 5), videos[1]]).write()
    assert [one.name for one in written.skipped] == ["video.dat"] and written.samples == 1


def test_order_of_videos_does_not_matter(videos: list[VideoRange], tmp_path: Path) -> None:
    writer_of(tmp_path / "a", videos).write()
    writer_of(tmp_path / "b", [*videos[4:], *videos[:4]]).write()
    assert contents(tmp_path / "a").keys() == contents(tmp_path / "b").keys()


def test_interrupted_anywhere_it_goes_on(
    videos: list[VideoRange], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer_of(tmp_path / "whole", videos).write()
    whole = contents(tmp_path / "whole")

    class Killed(BaseException):
        """As a signal."""

    left = 0  # steps until the next one

    def step() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    def stepping(call: Callable[..., object]) -> Callable[..., object]:
        def stepped(*arguments: object, **named: object) -> object:
            step()
            return call(*arguments, **named)

        return stepped

    monkeypatch.setattr(writer, "add_sample", stepping(packing.add_sample))
    monkeypatch.setattr(writer, "_replace", stepping(writer._replace))
    monkeypatch.setattr(os, "replace", stepping(os.replace))
    kills = 0
    for steps in range(8, 20):  # a shard takes seven or so
        folder = tmp_path / f"{steps}"
        while not (folder / "index.json").exists():
            left = steps
            try:
                writer_of(folder, videos).write()
            except Killed:
                kills += 1
                for name, content in contents(folder).items():  # never half of anything
                    assert content == whole[name]
        assert contents(folder) == whole
    assert kills > 20


def test_finished_shards_are_verified(videos: list[VideoRange], tmp_path: Path) -> None:
    folder = tmp_path / "s"
    writer_of(folder, videos).write()
    whole = contents(folder)
    (folder / "000001.tar").unlink()
    (folder / "index.json").unlink()
    assert writer_of(folder, videos).write().kept_shards == len(whole) - 2
    assert contents(folder) == whole
    with (folder / "000002.tar").open("r+b") as file:
        file.seek(700)
        file.write(b"changed")
    with pytest.raises(UserError, match=r"000002\.tar has changed"):
        writer_of(folder, videos).write()


def test_unfinished_shards_are_not_read(videos: list[VideoRange], tmp_path: Path) -> None:
    writer_of(tmp_path / "s", videos).write()
    (tmp_path / "s" / "index.json").unlink()
    with pytest.raises(UserError, match="was not finished"):
        open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))


def test_nobodys_files_are_overwritten(videos: list[VideoRange], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "000000.tar").write_text("precious")
    with pytest.raises(UserError, match="holds something else"):
        writer_of(other, videos).write()
    assert contents(other) == {"000000.tar": b"precious"}
    writer_of(tmp_path / "s", videos).write()
    whole = contents(tmp_path / "s")
    for changed in (
        writer_of(tmp_path / "s", videos[:-2]),
        writer_of(tmp_path / "s", videos, how=Reencode.h264),
        writer_of(tmp_path / "s", [replace(videos[0], end_frame=4), *videos[1:]]),
    ):
        with pytest.raises(UserError, match="holds shards of other videos or settings"):
            changed.write()
    assert contents(tmp_path / "s") == whole
    # A file that came in between.
    (tmp_path / "s" / ".written" / "000000.tar.json").unlink()
    with pytest.raises(UserError, match=r"000000\.tar is not of this work"):
        writer_of(tmp_path / "s", videos).write()
    assert contents(tmp_path / "s") == whole


def test_reencoded_ranges(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.avi", 60, FORMATS["avi"])
    parts = [VideoRange(path, "v.avi", 5, 20), VideoRange(path, "v.avi", 30, 60)]
    ShardWriter(tmp_path / "s", parts, shard_bytes=10**9, reencode=Reencode.h264).write()
    shards = open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))
    (shard,) = shards.shards
    firsts = set()
    for sample in shard.samples:
        assert (sample.suffix, sample.first_frame, sample.fps) == (".mp4", 0, 25.0)
        with shards.video(shard, sample) as video:
            info = probe(video)
            assert (info.frames, info.height, info.width) == (sample.frames, 48, 64)
            numbers = shown_numbers(read_frames(video, 0, count=info.frames))
            with av.open(str(video)) as container:
                assert container.streams.video[0].codec_context.name == "h264"
        assert numbers == list(range(numbers[0], numbers[0] + info.frames))
        firsts.add((numbers[0], info.frames))
    assert firsts == {(5, 15), (30, 30)}


def test_folders_of_frames_become_videos(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mkv", 6, FORMATS["mkv, lossless"])
    folder = tmp_path / "frames"
    folder.mkdir()
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            frame.save(folder / f"{number}.png")
    frames = [VideoRange(folder, "frames", 0, 6)]
    none = ShardWriter(tmp_path / "none", frames, shard_bytes=10**9, reencode=Reencode.none)
    assert "--reencode h264" in none.write().skipped[0].reason
    how = Reencode.h264
    written = ShardWriter(tmp_path / "h264", frames, shard_bytes=10**9, reencode=how).write()
    assert (written.samples, written.skipped) == (1, [])
