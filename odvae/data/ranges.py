"""Frames that a run may look at, and what it may not look at."""

from dataclasses import dataclass, field
from pathlib import Path

from odvae.data.content import FileState, video_sha256, video_state
from odvae.data.index import VideoInfo


@dataclass(frozen=True)
class Content:
    """What a video held when it was scanned."""

    sha256: str
    state: FileState


@dataclass(frozen=True)
class VideoRange:
    """Frames ``first_frame <= n < end_frame`` of the video at ``path``, a file or a folder.

    Attributes:
        name: the path below the root of the source, with forward slashes: the same on every
            machine.
        label: number of its class, counted from 0, where the source has classes.
        info: size of the whole video, if it has been probed or scanned.
        scanned: its content, if it has been scanned and not been changed since.
    """

    path: Path
    name: str
    first_frame: int
    end_frame: int
    label: int | None = None
    info: VideoInfo | None = field(default=None, compare=False)
    scanned: Content | None = field(default=None, compare=False)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.end_frame - self.first_frame

    @property
    def size_bytes(self) -> int:
        """Of the file, or of all frames of the folder."""
        return self.scanned.state.size_bytes if self.scanned else video_state(self.path).size_bytes

    def sha256(self) -> str:
        """sha256 of the video: the scan's while size and date are, otherwise computed.

        Raises:
            OSError: it cannot be read.
        """
        if self.scanned and self.scanned.state == video_state(self.path):
            return self.scanned.sha256
        return video_sha256(self.path)


@dataclass(frozen=True)
class Skipped:
    """A video, or a part of it, that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Source:
    """What a run may look at: ``train`` and ``heldout`` share no frame, neither is empty.

    Attributes:
        scan_digest: identity of the data set: that of the scan, if there is one and every video is
            as it was scanned.
    """

    train: list[VideoRange]
    heldout: list[VideoRange]
    skipped: list[Skipped]
    scan_digest: str | None = None
