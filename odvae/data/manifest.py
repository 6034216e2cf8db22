"""The fixed list of evaluation clips: every run that has the same list sees the same pixels."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from odvae.clip_terms import USUAL_RULES, ClipRules, ClipStart, ResizeFilter
from odvae.data.config import DataConfig
from odvae.data.pixels import resized_shape
from odvae.data.ranges import Source, VideoRange
from odvae.data.video import VideoInfo, probe
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
    resize: str = ResizeFilter.bicubic_antialias.value  # to the short side


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


def make_manifest(
    source: Source, config: DataConfig, *, rules: ClipRules = USUAL_RULES
) -> Manifest:
    """Choose up to ``config.eval_clips`` different clips of the held-out videos, without chance.

    The clips are shared out evenly over the videos, and within each as ``rules.start`` says. The
    first clip of a video starts at the first held-out frame. Crops are central, unless several
    clips share a start. A video that is shorter than a clip gives none.

    Raises:
        UnreadableVideo: a file has become unreadable since the source was opened.
    """
    videos = [replace(video, info=_info(video)) for video in source.heldout]
    cuts = [_Cut(video, config_for(video, config, rules=rules), rules) for video in videos]
    capacity = [cut.starts * len(cut.crops) for cut in cuts]
    shares = _even_shares(capacity, min(config.eval_clips, sum(capacity)))
    return Manifest(
        [clip for cut, share in zip(cuts, shares, strict=True) for clip in cut.clips(share)]
    )


def config_for(video: VideoRange, config: DataConfig, *, rules: ClipRules) -> DataConfig:
    """A configuration with the stride at which a video comes nearest to the rate of the rules."""
    if rules.fps is None:
        return config
    return replace(config, frame_stride=max(1, round(_info(video).fps / rules.fps)))


@dataclass(frozen=True)
class _Cut:
    """How clips are cut from one video."""

    video: VideoRange
    config: DataConfig  # its stride is that of this video
    rules: ClipRules

    @property
    def starts(self) -> int:
        """How many frames a clip may start at; 0: the video is shorter than a clip."""
        rest = self.video.frames - self.config.span_frames
        if rest < 0:
            return 0
        match self.rules.start:
            case ClipStart.spread:
                return rest + 1
            case ClipStart.first:
                return 1
            case ClipStart.windows:
                return rest // self._window_frames + 1

    @property
    def crops(self) -> list[tuple[int, int]]:
        """(top, left) of up to nine different crops: the centre, the corners, the edges."""
        info, size_px = _info(self.video), self.config.size_px
        height, width = resized_shape(
            info.height, info.width, short_side_px=self.config.short_side_px
        )
        room = (height - size_px, width - size_px)
        places = ((1, 1), (0, 0), (2, 2), (0, 2), (2, 0), (1, 0), (1, 2), (0, 1), (2, 1))
        used = places if self.rules.start is ClipStart.spread else places[:1]
        crops = [(room[0] * y // 2, room[1] * x // 2) for y, x in used]
        return list(dict.fromkeys(crops))

    def clips(self, share: int) -> Iterator[EvalClip]:
        """So many clips, over the starts first and then over the crops."""
        crops, times = self.crops, min(share, self.starts)
        for number in range(share):
            top_px, left_px = crops[number // times]
            yield EvalClip(
                file=self.video.name,
                start_frame=self.video.first_frame + self._start(number % times, times),
                frame_stride=self.config.frame_stride,
                clip_frames=self.config.clip_frames,
                top_px=top_px,
                left_px=left_px,
                size_px=self.config.size_px,
                short_side_px=self.config.short_side_px,
                sha256=self.video.sha256(),
                resize=self.rules.resize.value,
            )

    def _start(self, number: int, times: int) -> int:
        """First frame of one of so many clips, counted from the first held-out frame."""
        if self.rules.start is ClipStart.spread:
            return number * (self.starts - 1) // max(times - 1, 1)
        return number * self._window_frames

    @property
    def _window_frames(self) -> int:
        """From the start of a clip to the first frame that it leaves to the next."""
        return self.config.clip_frames * self.config.frame_stride


def _info(video: VideoRange) -> VideoInfo:
    return video.info or probe(video.path)


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
