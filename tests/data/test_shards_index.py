"""What shards hold, told by their own index or by their headers."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from odvae.data import VideoRange, read_frames
from odvae.data.shards import Reencode, ShardWriter, open_shards
from odvae.data.shards.index import Sample, ShardEntry, from_json, to_json
from odvae.errors import UserError

from .made_shards import cache, foreign_tar, make_shards, make_videos
from .made_videos import FORMATS, make_video


def test_index_round_trip() -> None:
    samples = (
        Sample(key="ä/b", suffix=".mp4", offset=512, length=3, frames=9, fps=29.97, height=4),
        Sample(key="c", suffix=".mkv", offset=1024, length=0, first_frame=3),
    )
    entries = [ShardEntry("0.tar", 2048, "ab", samples), ShardEntry("1.tar", 10240, None, ())]
    assert from_json(to_json(entries), where="here") == entries
    assert from_json(to_json([]), where="here") == []
    assert from_json('{"wids_version": 1}', where="here") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"offset": 512', '"offset": 2047'),
        ('"suffix": ".mp4"', '"suffix": "/../x"'),
        ('"key"', '"kez"'),
        ("]}", ""),
        ('"length": 3', '"length": "3"'),
    ],
)
def test_unsound_index_is_refused(old: str, new: str) -> None:
    sample = Sample(key="a", suffix=".mp4", offset=512, length=3)
    text = to_json([ShardEntry("0.tar", 2048, None, (sample,))]).replace(old, new)
    with pytest.raises(UserError, match="here is not a sound index"):
        from_json(text, where="here")


def test_bytes_and_frames_are_those_of_the_files(tmp_path: Path) -> None:
    """In every format: a shard's video read for a moment is the file on disk."""
    videos = []
    for number, made_as in enumerate(FORMATS.values()):
        path = make_video(tmp_path / f"v{number}{made_as.suffix}", 20, made_as)
        videos.append(VideoRange(path, path.name, 2, 20))
    ShardWriter(tmp_path / "s", videos, shard_bytes=60_000, reencode=Reencode.none).write()
    shards = open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))
    assert len(shards.shards) > 2 and len(shards) == len(videos)
    by_name = {video.path.stem: video for video in videos}
    for shard in shards.shards:
        for sample in shard.samples:
            video = by_name[sample.key.partition("-")[0]]
            assert (sample.first_frame, sample.frames) == (2, 18)
            with shards.video(shard, sample) as path:
                assert path.read_bytes() == video.path.read_bytes()
                assert path.suffix == video.path.suffix
                got = read_frames(path, 3, count=4, stride=3)
            assert not path.exists()
            assert (got == read_frames(video.path, 3, count=4, stride=3)).all()


def test_readable_by_the_tools_of_others(tmp_path: Path) -> None:
    """Files of a sample are neighbours and share their name up to the first dot."""
    videos = make_videos(tmp_path / "videos", 3)
    videos[1] = replace(videos[1], label=7)
    make_shards(tmp_path / "s", videos, per_shard=9)
    with tarfile.open(tmp_path / "s" / "000000.tar") as tar:
        names = tar.getnames()
        told = [json.loads(tar.extractfile(name).read()) for name in names[1::2]]  # type: ignore[union-attr]
    assert [name.partition(".")[2] for name in names] == ["mkv", "json"] * 3
    assert [name.partition(".")[0] for name in names[::2]] == [
        name.partition(".")[0] for name in names[1::2]
    ]
    assert {one["name"]: one["label"] for one in told} == {
        "v00.mkv": None,
        "v01.mkv": 7,
        "v02.mkv": None,
    }
    assert {(one["frames"], one["fps"], one["height"], one["width"]) for one in told} == {
        (5, 25.0, 48, 64)
    }


def test_foreign_shards_are_indexed_once(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "videos", 4)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "index.json").write_text('{"wids_version": 1}')  # of another tool
    path = foreign_tar(tmp_path / "s" / "x.tar", videos)
    kept = cache(tmp_path / "cache")
    shards = open_shards(str(tmp_path / "s"), kept)
    assert [sample.key for sample in shards.shards[0].samples] == [
        f"some/x{number:04d}" for number in range(4)
    ]
    assert [sample.suffix for sample in shards.shards[0].samples] == [".mkv"] * 4
    for sample, video in zip(shards.shards[0].samples, videos, strict=True):
        assert shards.read(shards.shards[0], sample) == video.path.read_bytes()
        assert sample.frames is None
    (index,) = (tmp_path / "cache" / "indexes").glob("*.json")
    index.write_text(index.read_text().replace("some/x0000", "as kept"))
    again = open_shards(str(tmp_path / "s"), kept)
    assert again.shards[0].samples[0].key == "as kept"
    foreign_tar(path, videos[:2])  # another file now
    assert len(open_shards(str(tmp_path / "s"), kept)) == 2


def test_what_others_tell_of_frames_is_not_believed(tmp_path: Path) -> None:
    (video,) = make_videos(tmp_path / "videos", 1)
    told = {"frames": 3, "fps": 1.0}
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(video.path, "a.mkv")
        (tmp_path / "a.json").write_text(json.dumps(told))
        tar.add(tmp_path / "a.json", "a.json")
        (tmp_path / "b.json").write_text(json.dumps({**told, "first_frame": 1}))
        tar.add(video.path, "b.mkv")
        tar.add(tmp_path / "b.json", "b.json")
    a, b = open_shards(str(tmp_path / "x.tar"), cache(tmp_path / "cache")).shards[0].samples
    assert (a.first_frame, a.frames, a.fps) == (0, None, None)
    assert (b.first_frame, b.frames, b.fps) == (1, 3, 1.0)


def test_broken_shards_are_named(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "videos", 2)
    path = foreign_tar(tmp_path / "x.tar", videos)
    whole = path.read_bytes()
    for cut in (len(whole) // 2, 20_000):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"x\.tar is not a whole uncompressed tar"):
            open_shards(str(path), cache(tmp_path / "cache"))
    path.write_bytes(b"\x1f\x8b" + bytes(5000))
    with pytest.raises(UserError, match=r"x\.tar is not a whole uncompressed tar"):
        open_shards(str(path), cache(tmp_path / "cache"))
    foreign_tar(path, [])
    with pytest.raises(UserError, match="hold no video"):
        open_shards(str(path), cache(tmp_path / "cache"))


def test_shards_that_are_not_those_of_the_index(tmp_path: Path) -> None:
    make_shards(tmp_path / "s", make_videos(tmp_path / "videos", 4), per_shard=2)
    first = tmp_path / "s" / "000000.tar"
    whole = first.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    first.write_bytes(changed)
    shards = open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"000000\.tar is not the one .* sha256 differs"):
        shards.read(shards.shards[0], shards.shards[0].samples[0])
    assert shards.read(shards.shards[1], shards.shards[1].samples[0])
    first.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"000000\.tar has \d+ bytes; its index says"):
        open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))
    first.unlink()
    with pytest.raises(UserError, match=r"000000\.tar is missing"):
        open_shards(str(tmp_path / "s"), cache(tmp_path / "cache"))
