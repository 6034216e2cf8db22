"""Samples of shards that train and those that are held out, and the evaluation of the latter."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from odvae.data import (
    FrameStore,
    Source,
    VideoRange,
    evaluation_clips,
    make_manifest,
    read_frames,
    to_pixels,
)
from odvae.data.shards import open_shard_source
from odvae.errors import UserError

from .made_shards import CONFIG, cache, foreign_tar, make_shards, make_videos
from .shard_server import serving


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoRange]:
    return make_videos(tmp_path_factory.mktemp("videos"), 12, frames=7)


@pytest.fixture(scope="module")
def folder(videos: list[VideoRange], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shards"), videos, per_shard=4)


def test_samples_are_held_out_by_their_keys(folder: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, eval_clips=100)
    source = open_shard_source(config, cache(tmp_path), train=str(folder))
    train = {sample.key for shard in source.train.shards for sample in shard.samples}
    heldout = {Path(video.name).stem for video in source.heldout}
    assert not train & heldout and len(train | heldout) == 12
    assert 1 <= len(heldout) <= 8
    more = open_shard_source(
        replace(config, heldout_fraction=0.9), cache(tmp_path), train=str(folder)
    )
    assert heldout < {Path(video.name).stem for video in more.heldout}
    for fraction, count in ((1e-9, 1), (1 - 1e-9, 11)):  # at least one on each side
        extreme = replace(config, heldout_fraction=fraction)
        assert len(open_shard_source(extreme, cache(tmp_path), train=str(folder)).heldout) == count


def test_the_manifest_takes_extracted_videos_as_any(
    videos: list[VideoRange], folder: Path, tmp_path: Path
) -> None:
    shard_source = open_shard_source(CONFIG, cache(tmp_path), train=str(folder))
    assert len(shard_source.heldout) <= CONFIG.eval_clips  # no more than are needed
    source = Source(train=[], heldout=shard_source.heldout, skipped=[])
    manifest = make_manifest(source, CONFIG)
    originals = {video.path.read_bytes(): video for video in videos}
    paths = {video.name: video.path for video in source.heldout}
    for clip, pixels in evaluation_clips(manifest, source, store=FrameStore(48)):
        original = originals[paths[clip.file].read_bytes()]
        frames = read_frames(original.path, clip.start_frame, count=5)
        crop = frames[:, clip.top_px : clip.top_px + 48, clip.left_px : clip.left_px + 48]
        assert torch.equal(pixels, to_pixels(crop))
    again = open_shard_source(CONFIG, cache(tmp_path), train=str(folder))
    assert make_manifest(Source([], again.heldout, []), CONFIG).digest == manifest.digest


def test_shards_of_their_own_to_evaluate_on(videos: list[VideoRange], tmp_path: Path) -> None:
    make_shards(tmp_path / "s" / "train", videos[:8], per_shard=4)
    make_shards(tmp_path / "s" / "heldout", videos[8:], per_shard=4)
    kept = cache(tmp_path / "cache")
    source = open_shard_source(CONFIG, kept, train=str(tmp_path / "s"))
    assert (len(source.train), len(source.heldout)) == (8, 4)
    assert all(path.path.parent == tmp_path / "cache" / "heldout" for path in source.heldout)
    with serving(tmp_path / "s") as server:
        train = f"{server.url}/train/{{000000..000001}}.tar"
        heldout = f"{server.url}/heldout/000000.tar"
        remote = open_shard_source(CONFIG, kept, train=train, heldout=heldout)
        assert [v.path for v in remote.heldout] == [v.path for v in source.heldout]
        assert remote.train.digest == source.train.digest
        heldout = train
        with pytest.raises(UserError, match=r"000000\.tar is to train on and to evaluate on"):
            open_shard_source(CONFIG, kept, train=train, heldout=heldout)


def test_unusable_held_out_videos_are_told(videos: list[VideoRange], tmp_path: Path) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(b"no video")
    broken = VideoRange(path, "no.mp4", 0, 7)
    foreign_tar(tmp_path / "train.tar", videos[:2])
    foreign_tar(tmp_path / "heldout.tar", [broken, videos[2]])
    train, heldout = str(tmp_path / "train.tar"), str(tmp_path / "heldout.tar")
    source = open_shard_source(CONFIG, cache(tmp_path / "cache"), train=train, heldout=heldout)
    assert [one.name for one in source.skipped] == ["heldout.tar/some/heldout0000.mkv"]
    assert [(v.name, v.first_frame, v.end_frame) for v in source.heldout] == [
        ("heldout.tar/some/heldout0001.mkv", 0, 7)
    ]
    with pytest.raises(UserError, match=r"none of 2 held-out samples .* 7 frames, a clip spans 9"):
        open_shard_source(
            replace(CONFIG, clip_frames=9), cache(tmp_path / "cache"), train=train, heldout=heldout
        )
    foreign_tar(tmp_path / "heldout.tar", [broken])
    with pytest.raises(UserError, match="none of 1 held-out samples can be used"):
        open_shard_source(CONFIG, cache(tmp_path / "cache"), train=train, heldout=heldout)


def test_samples_known_to_be_short_do_not_train(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of .* training samples has 9 frames"):
        open_shard_source(replace(CONFIG, clip_frames=9), cache(tmp_path), train=str(folder))


def test_one_sample_cannot_be_split(videos: list[VideoRange], tmp_path: Path) -> None:
    foreign_tar(tmp_path / "x.tar", videos[:1])
    with pytest.raises(UserError, match="single sample"):
        open_shard_source(CONFIG, cache(tmp_path / "cache"), train=str(tmp_path / "x.tar"))
