"""Shards of numbered videos, and how to read a clip's origin from its pixels."""

import io
import tarfile
from collections.abc import Sequence
from functools import cache as cache_results
from pathlib import Path

from torch import Tensor

from odvae.data import Augment, DataConfig, VideoRange, read_frames, to_uint8
from odvae.data.shards import Reencode, Retry, ShardCache, ShardWriter

from .made_videos import FORMATS, HEIGHT_PX, WIDTH_PX, make_video

CONFIG = DataConfig(
    clip_frames=5,
    size_px=HEIGHT_PX,
    short_side_px=HEIGHT_PX,
    augment=Augment.none,
    heldout_fraction=0.3,
    eval_clips=4,
)


def make_videos(folder: Path, count: int, *, frames: int = 5) -> list[VideoRange]:
    """Lossless videos of different content and nearly equal size."""
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for number in range(count):
        name = f"v{number:02d}.mkv"
        path = make_video(
            folder / name, frames, FORMATS["mkv, lossless"], first_number=number * frames
        )
        videos.append(VideoRange(path, name, 0, frames))
    return videos


def make_shards(folder: Path, videos: list[VideoRange], *, per_shard: int) -> Path:
    """About so many videos of equal size a shard."""
    size_bytes = videos[0].path.stat().st_size
    writer = ShardWriter(
        folder,
        videos,
        shard_bytes=(size_bytes + 2048) * per_shard - 1024,
        reencode=Reencode.none,
    )
    writer.write()
    return folder


def foreign_tar(path: Path, videos: list[VideoRange]) -> Path:
    """A shard as others make it: other members between, no index."""
    with tarfile.open(path, "w") as tar:
        folder = tarfile.TarInfo("./some/folder.d")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for number, video in enumerate(videos):
            key = f"./some/{path.stem}{number:04d}"
            for suffix, content in (
                (".cls", b"3"),
                (".json", b'{"caption": "no frames told"}'),
                (".video.MKV", video.path.read_bytes()),
            ):
                member = tarfile.TarInfo(key + suffix)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            hidden = tarfile.TarInfo(f"./some/._{path.stem}{number:04d}.mkv")
            tar.addfile(hidden)
    return path


def cache(folder: Path, *, limit_bytes: int = 10**9, attempts: int = 3) -> ShardCache:
    """A cache that does not wait long."""
    retry = Retry(attempts=attempts, first_wait_s=0.01)
    return ShardCache(folder, limit_bytes=limit_bytes, retry=retry)


def origins(batch: Tensor, videos: Sequence[VideoRange]) -> list[int]:
    """Which video each clip (B, 3, 5, 48, 48) is from: a crop of its file's own frames."""
    crops = _crops(tuple(videos))
    return [crops[to_uint8(clip).tobytes()] for clip in batch]


@cache_results
def _crops(videos: tuple[VideoRange, ...]) -> dict[bytes, int]:
    return {
        frames[:, :, left : left + HEIGHT_PX].tobytes(): number
        for number, video in enumerate(videos)
        for frames in [read_frames(video.path, 0, count=CONFIG.clip_frames)]
        for left in range(WIDTH_PX - HEIGHT_PX + 1)
    }
