"""The fixed list of evaluation clips: every run that has the same list sees the same pixels."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from odvae.data.config import DataConfig
from odvae.data.pixels import resized_shape
from odvae.data.ranges import Source, VideoRange
from odvae.data.video import probe
from odvae.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EvalClip:
    """One clip: frames ``start_frame + i * frame_stride`` of ``file``, resized, then cropped.

    ``file`` is the name of a VideoRange; the crop is in pixels of the resized video; ``sha256`` is
    that of the whole file, or folder of frames.
    """

    file: str
    start_frame: int
    frame_stride: int
    clip_frames: int
    top_px: int
    left_px: int
    size_px: int
    short_side_px: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The evaluation clips of a protocol, in the order in which they are evaluated."""

    clips: list[EvalClip]

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON: equal digests mean equal clips of equal files."""
        canonical = json.dumps(self._content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """Readable JSON, one field a line."""
        return json.dumps(self._content(), indent=1)

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """Inverse of :meth:`to_json`.

        Raises:
            UserError: the text is not a manifest.
        """
        try:
            return Manifest([EvalClip(**clip) for clip in json.loads(text)["clips"]])
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"not a manifest of evaluation clips: {error}") from error

    def _content(self) -> dict[str, list[dict[str, str | int]]]:
        return {"clips": [asdict(clip) for clip in self.clips]}


def make_manifest(source: Source, config: DataConfig) -> Manifest:
    """Choose up to ``config.eval_clips`` different clips of the held-out videos, without chance.

    The clips are shared out evenly over the videos, and over the time of each. The first clip of a
    video starts at the first held-out frame. Crops are central, unless several clips share a start.

    Raises:
        UnreadableVideo: a file has become unreadable since the source was opened.
    """
    crops = [_crops(video, config) for video in source.heldout]
    starts = [video.frames - config.span_frames + 1 for video in source.heldout]
    capacity = [len(c) * s for c, s in zip(crops, starts, strict=True)]
    shares = _even_shares(capacity, min(config.eval_clips, sum(capacity)))
    return Manifest(
        [
            clip
            for video, share, its_crops in zip(source.heldout, shares, crops, strict=True)
            for clip in _video_clips(video, config, share=share, crops=its_crops)
        ]
    )


def _crops(video: VideoRange, config: DataConfig) -> list[tuple[int, int]]:
    """(top, left) of up to nine different crops: the centre, the corners, the edges."""
    info = video.info or probe(video.path)
    height, width = resized_shape(info.height, info.width, short_side_px=config.short_side_px)
    room = (height - config.size_px, width - config.size_px)
    places = ((1, 1), (0, 0), (2, 2), (0, 2), (2, 0), (1, 0), (1, 2), (0, 1), (2, 1))
    crops = [(room[0] * y // 2, room[1] * x // 2) for y, x in places]
    return list(dict.fromkeys(crops))


def _even_shares(capacity: list[int], wanted: int) -> list[int]:
    """Share out ``wanted`` clips, at most ``capacity`` each and otherwise as evenly as possible."""
    shares = [0] * len(capacity)
    while wanted:
        takers = [i for i, most in enumerate(capacity) if shares[i] < most]
        given = min(wanted, len(takers))
        for turn in range(given):  # with fewer clips than takers, takers spread over the list
            shares[takers[turn * len(takers) // given]] += 1
        wanted -= given
    return shares


def _video_clips(
    video: VideoRange, config: DataConfig, *, share: int, crops: list[tuple[int, int]]
) -> Iterator[EvalClip]:
    """``share`` clips of one video, spread over its time, then over ``crops``."""
    last_start = video.frames - config.span_frames
    times = min(share, last_start + 1)
    for number in range(share):
        top_px, left_px = crops[number // times]
        yield EvalClip(
            file=video.name,
            start_frame=video.first_frame + (number % times) * last_start // max(times - 1, 1),
            frame_stride=config.frame_stride,
            clip_frames=config.clip_frames,
            top_px=top_px,
            left_px=left_px,
            size_px=config.size_px,
            short_side_px=config.short_side_px,
            sha256=video.sha256(),
        )
