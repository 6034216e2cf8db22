"""What odvae.scan found in each video of a source: training reads it instead of probing."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from odvae.data.config import DataConfig, DataSource
from odvae.data.content import FileState
from odvae.data.index import VideoInfo
from odvae.data.ranges import Content
from odvae.errors import UserError
from odvae.model.atomic import replacing

_FORMAT = "odvae-scan-1"


@dataclass(frozen=True, kw_only=True)
class ScanEntry:
    """One video, decoded from its first frame to its last.

    Attributes:
        name:           as in VideoRange.
        sha256:         of the file, or of the folder of frames; None if it cannot be read.
        size_bytes:     on disk, all frames of a folder together.
        mtime_ns:       of the last change; not part of the identity.
        fps:            frames per second; it and what follows are 0 if nothing could be read.
        frames:         that reading counts.
        height:         of the video, in px.
        width:          likewise.
        decoded_frames: how many of them decode, at this size.
        label:          number of the class, where the source has classes.
        problem:        why the video is not used, as "kind: what exactly"; None if it is sound.
    """

    name: str
    sha256: str | None
    size_bytes: int
    mtime_ns: int
    fps: float
    frames: int
    height: int
    width: int
    decoded_frames: int
    label: int | None
    problem: str | None

    @property
    def state(self) -> FileState:
        """What tells whether the video has changed since."""
        return FileState(self.size_bytes, self.mtime_ns)

    @property
    def info(self) -> VideoInfo:
        """Size of the video."""
        return VideoInfo(self.frames, self.fps, self.height, self.width)

    @property
    def content(self) -> Content | None:
        """Identity of the video, if it could be read."""
        return Content(self.sha256, self.state) if self.sha256 else None


@dataclass(frozen=True)
class ScanManifest:
    """All videos of a source, in the order of its listing."""

    source: DataSource
    entries: list[ScanEntry]

    @cached_property
    def digest(self) -> str:
        """sha256 of what the videos are, not of where they lie or when they were written."""
        content = [{**asdict(entry), "mtime_ns": 0} for entry in self.entries]
        content.sort(key=lambda entry: entry["name"])
        canonical = json.dumps([self.source.value, content], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write JSON, one video a line, whole or not at all."""
        lines = ",\n".join(map(entry_json, self.entries))
        head = json.dumps({"format": _FORMAT, "source": self.source.value})[:-1]
        with replacing(path) as part:
            part.write_text(f'{head}, "videos": [\n{lines}\n]}}\n')

    @staticmethod
    def read(path: Path) -> "ScanManifest":
        """Inverse of :meth:`write`.

        Raises:
            UserError: the file is missing or is no scan.
        """
        try:
            content = json.loads(path.read_text())
            if content["format"] != _FORMAT:
                raise UserError(f"{path} is a scan of format {content['format']}, not {_FORMAT}")
            videos: Iterable[dict[str, object]] = content["videos"]
            return ScanManifest(DataSource(content["source"]), list(map(read_entry, videos)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"data.manifest: {path} is not a file that python -m odvae.scan wrote: {error}"
            ) from error


def entry_json(entry: ScanEntry) -> str:
    """One line."""
    return json.dumps(asdict(entry))


def read_entry(fields: dict[str, object]) -> ScanEntry:
    """Inverse of :func:`entry_json`, once parsed. Raises TypeError for other fields."""
    return ScanEntry(**fields)  # type: ignore[arg-type]  # checked by name; types are as written


def scan_path(config: DataConfig, *, cache: Path) -> Path:
    """Where the scan of a source lies: ``data.manifest``, or in the cache.

    Folds of UCF101 share a scan: each has all videos.
    """
    if config.manifest:
        return Path(config.manifest).expanduser()
    places = [str(Path(p).expanduser().absolute()) for p in (config.path, config.lists) if p]
    key = hashlib.sha256(json.dumps([config.source.value, *places]).encode()).hexdigest()
    return cache / f"scan-{key[:16]}.json"


def find_scan(config: DataConfig, *, cache: Path | None) -> ScanManifest | None:
    """The scan of a source, None if there is none.

    Raises:
        UserError: the one that ``data.manifest`` names is missing, or it is of another source.
    """
    if config.manifest is None and cache is None:
        return None
    path = scan_path(config, cache=cache or Path())
    if config.manifest is None and not path.exists():
        return None
    scan = ScanManifest.read(path)
    if scan.source is not config.source:
        raise UserError(
            f"data.manifest={path} is a scan of data={scan.source.value}, "
            f"not of data={config.source.value}"
        )
    return scan
