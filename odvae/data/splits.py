"""Which frames train and which are held out. The two share no frame."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from odvae.data.config import DataConfig
from odvae.data.listing import Listed, Side, Split
from odvae.data.ranges import Skipped, VideoRange


@dataclass
class Sides:
    """The result of a split, in the order of the listing."""

    train: list[VideoRange] = field(default_factory=list)
    heldout: list[VideoRange] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def split_videos(
    videos: Sequence[tuple[Listed, VideoRange]], split: Split, config: DataConfig
) -> Sides:
    """Split whole videos: by time, by a hash of their names, or as their source says."""
    if split is Split.by_time or (split is Split.by_name and len(videos) == 1):
        return _by_time([video for _, video in videos], config)
    if split is Split.by_name:
        sides = _by_name([listed for listed, _ in videos], config.heldout_fraction)
    else:
        sides = [listed.side for listed, _ in videos]
    placed = [(side, video) for side, (_, video) in zip(sides, videos, strict=True)]
    train = [video for side, video in placed if side is Side.train]
    heldout = [video for side, video in placed if side is Side.heldout]
    return _without_copies(train, heldout)


def too_short(frames: int, config: DataConfig) -> str:
    """Why so few frames are not used."""
    return f"{frames} frames, a clip spans {config.span_frames}"


def _by_time(videos: list[VideoRange], config: DataConfig) -> Sides:
    sides = Sides()
    for video in videos:
        cut = round(video.frames * (1 - config.heldout_fraction))
        for side, first, end in ((sides.train, 0, cut), (sides.heldout, cut, video.frames)):
            if end - first >= config.span_frames:
                side.append(replace(video, first_frame=first, end_frame=end))
            else:
                part = "training part" if side is sides.train else "held-out part"
                reason = too_short(end - first, config)
                sides.skipped.append(Skipped(video.name, f"{part}: {reason}"))
    return sides


def _by_name(videos: list[Listed], heldout_fraction: float) -> list[Side | None]:
    """Hold out the groups whose hash is below the fraction; at least one on each side."""
    groups = {video.group or video.name for video in videos}
    by_hash = sorted(groups, key=hash_fraction)
    below = sum(hash_fraction(group) < heldout_fraction for group in groups)
    heldout = set(by_hash[: min(max(below, 1), len(groups) - 1)])
    return [
        Side.heldout if (video.group or video.name) in heldout else Side.train for video in videos
    ]


def hash_fraction(name: str) -> float:
    """A number in [0, 1) that depends on the name alone, the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _without_copies(train: list[VideoRange], heldout: list[VideoRange]) -> Sides:
    """Training videos that a scan knows to be copies of held-out ones do not train."""
    originals = {video.scanned.sha256: video.name for video in heldout if video.scanned}
    sides = Sides(heldout=heldout)
    for video in train:
        original = originals.get(video.scanned.sha256) if video.scanned else None
        if original is None:
            sides.train.append(video)
        else:
            sides.skipped.append(Skipped(video.name, f"copy: of the held-out {original}"))
    return sides
