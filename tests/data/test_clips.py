"""Batches are a pure function of seed and step; evaluation clips are those of the manifest."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from odvae.data import (
    Augment,
    DataConfig,
    DataSource,
    FrameStore,
    Source,
    TrainingClips,
    VideoRange,
    evaluation_clips,
    make_manifest,
    open_source,
    prefetch,
    read_frames,
    resize_short_side,
    to_pixels,
    to_uint8,
)
from odvae.errors import UserError

from .made_videos import FORMATS, HEIGHT_PX, WIDTH_PX, damage_frame, make_video

PLAIN = Augment.none


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """Four numbered videos of 20 to 35 frames."""
    root = tmp_path_factory.mktemp("videos")
    for number in range(4):
        make_video(
            root / f"v{number}.mkv",
            20 + 5 * number,
            FORMATS["mkv, lossless"],
            first_number=40 * number,
        )
    return DataConfig(
        source=DataSource.folder,
        path=str(root),
        clip_frames=5,
        size_px=32,
        short_side_px=HEIGHT_PX,
        eval_clips=6,
    )


@pytest.fixture(scope="module")
def source(config: DataConfig) -> Source:
    return open_source(config)


def training_clips(
    source: Source, config: DataConfig, *, seed: int = 0, budget_mb: int = 64
) -> TrainingClips:
    store = FrameStore(config.short_side_px, budget_mb)
    return TrainingClips(source.train, config, seed=seed, store=store)


def test_a_batch_is_pure(source: Source, config: DataConfig) -> None:
    """The same in any order, from a fresh object, from memory or by seeking."""
    clips = training_clips(source, config)
    first = {step: clips.batch(step, 4) for step in (0, 1, 2)}
    assert first[0].shape == (4, 3, 5, 32, 32)
    assert first[0].dtype == torch.float32
    without_memory = training_clips(source, config, budget_mb=0)
    for step in (2, 0, 1):
        assert torch.equal(clips.batch(step, 4), first[step])
        assert torch.equal(without_memory.batch(step, 4), first[step])
    assert torch.equal(clips.batch(1, 2), first[1][:2])  # a clip ignores the size of its batch
    assert torch.equal(clips.batch(2, 4, part=range(1, 3)), first[2][1:3])


def test_seed_step_and_place_all_matter(source: Source, config: DataConfig) -> None:
    clips, other_seed = (training_clips(source, config, seed=seed) for seed in (0, 1))
    batch = clips.batch(0, 2)
    assert not torch.equal(batch, other_seed.batch(0, 2))
    assert not torch.equal(batch, clips.batch(1, 2))
    assert not torch.equal(batch[0], batch[1])


def test_windows_are_consecutive_frames_of_the_training_ranges(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", 60, FORMATS["mkv, B-frames"])
    config = DataConfig(
        clip_frames=5, frame_stride=3, size_px=48, short_side_px=48, augment=PLAIN, eval_clips=1
    )
    ranges = [VideoRange(path, "v.mkv", 20, 34)]  # two windows of 13 frames
    clips = TrainingClips(ranges, config, seed=3, store=FrameStore(48))
    whole = read_frames(path, 0, count=60)  # 48x64: no resize, 17 crops
    places = {
        whole[start : start + 13 : 3, :, left : left + 48].tobytes(): (start, left)
        for start in (20, 21)
        for left in range(WIDTH_PX - 48 + 1)
    }
    drawn = {places[to_uint8(clip).tobytes()] for clip in clips.batch(0, 300)}
    assert drawn == set(places.values())


def test_long_videos_are_drawn_more_often(config: DataConfig) -> None:
    short = VideoRange(Path("short"), "short", 0, 5)
    long = VideoRange(Path("long"), "long", 0, 20)
    drawn: list[str] = []

    class Recording(FrameStore):
        def window(
            self, video: VideoRange, start: int, *, count: int, stride: int = 1
        ) -> NDArray[np.uint8]:
            drawn.append(video.name)
            return np.zeros((count, HEIGHT_PX, WIDTH_PX, 3), np.uint8)

    clips = TrainingClips([short, long], config, seed=0, store=Recording(HEIGHT_PX))
    clips.batch(0, 1000)
    assert abs(drawn.count("long") / 1000 - 0.8) < 0.04


def test_prefetch_gives_the_same_batches_in_order(source: Source, config: DataConfig) -> None:
    clips = training_clips(source, config)
    ahead = list(prefetch(clips, 3, end_step=10, batch=2, workers=3))
    assert len(ahead) == 7
    for step, batch in zip(range(3, 10), ahead, strict=True):
        assert torch.equal(batch, clips.batch(step, 2))
    assert list(prefetch(clips, 4, end_step=4, batch=2)) == []


def test_prefetch_stops_its_threads_when_closed(source: Source, config: DataConfig) -> None:
    batches = prefetch(training_clips(source, config), 0, end_step=10**6, batch=1)
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]


def test_unreadable_draws_are_counted_and_drawn_again(tmp_path: Path) -> None:
    good = make_video(tmp_path / "good.avi", 40, FORMATS["avi"])
    bad = damage_frame(make_video(tmp_path / "bad.avi", 40, FORMATS["avi"]), 13)
    config = DataConfig(clip_frames=5, size_px=32, short_side_px=48)
    ranges = [VideoRange(good, "good.avi", 0, 40), VideoRange(bad, "bad.avi", 0, 40)]
    clips = TrainingClips(ranges, config, seed=0, store=FrameStore(48))
    batches = [clips.batch(step, 8) for step in range(6)]
    assert set(clips.skipped) == {"bad.avi"}
    first_count = clips.skipped.total()
    for step in reversed(range(6)):
        assert torch.equal(clips.batch(step, 8), batches[step])
    assert clips.skipped.total() == 2 * first_count > 0


def test_nothing_but_failures_is_an_error(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mkv", 9, FORMATS["mkv, lossless"])
    config = DataConfig(clip_frames=5, size_px=32, short_side_px=48)
    clips = TrainingClips([VideoRange(video, "v.mkv", 0, 9)], config, seed=0, store=FrameStore(48))
    video.unlink()
    with pytest.raises(UserError, match=r"20 training clips in a row .* v\.mkv: No such file"):
        clips.batch(0, 1)
    assert clips.skipped == {"v.mkv": 20}


def test_a_range_shorter_than_a_clip_is_refused(source: Source, config: DataConfig) -> None:
    with pytest.raises(ValueError, match="41 frames or more"):
        training_clips(source, replace(config, frame_stride=10))
    with pytest.raises(ValueError, match="frames or more"):
        TrainingClips([], config, seed=0, store=FrameStore(HEIGHT_PX))


def test_evaluation_clips_are_those_of_the_manifest(source: Source, config: DataConfig) -> None:
    manifest = make_manifest(source, config)
    paths = {video.name: video.path for video in source.heldout}
    seen = list(evaluation_clips(manifest, source, store=FrameStore(HEIGHT_PX)))
    assert [clip for clip, _ in seen] == manifest.clips
    for clip, pixels in seen:
        frames = read_frames(paths[clip.file], clip.start_frame, count=5)
        top, left = clip.top_px, clip.left_px
        crop = resize_short_side(frames, HEIGHT_PX)[:, top : top + 32, left : left + 32]
        assert torch.equal(pixels, to_pixels(crop))


def test_a_manifest_of_other_data_is_refused(
    source: Source, config: DataConfig, tmp_path: Path
) -> None:
    manifest = make_manifest(source, config)
    store = FrameStore(HEIGHT_PX)
    turned_round = Source(train=source.heldout, heldout=source.train, skipped=[])
    with pytest.raises(UserError, match="is not held out"):
        next(evaluation_clips(manifest, turned_round, store=store))
    video = source.heldout[0]
    changed = tmp_path / "changed.mkv"
    changed.write_bytes(video.path.read_bytes() + b"\0")
    other = Source(source.train, [replace(video, path=changed)], [])
    with pytest.raises(UserError, match="sha256 differs"):
        next(evaluation_clips(manifest, other, store=store))
    gone = Source(source.train, [replace(video, path=tmp_path / "gone.mkv")], [])
    with pytest.raises(UserError, match="cannot be read"):
        next(evaluation_clips(manifest, gone, store=store))
    with pytest.raises(ValueError, match="short side"):
        next(evaluation_clips(manifest, source, store=FrameStore(80)))
