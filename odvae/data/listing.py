"""What a source names, before any video has been opened."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from odvae.data.config import DataConfig
from odvae.data.ranges import Skipped
from odvae.errors import UserError


class Side(Enum):
    """What a video is for."""

    train = "train"
    heldout = "heldout"


class Split(Enum):
    """How the videos of a source are split."""

    by_time = "by_time"  # each video: its first frames train
    by_name = "by_name"  # whole videos, by a hash; a single one by time
    as_listed = "as_listed"  # the source says it


@dataclass(frozen=True)
class Listed:
    """A video that is there.

    Attributes:
        path:  a file, or a folder of frames.
        name:  the path below the root of the source, with forward slashes.
        side:  what it is for, where the source says so (Split.as_listed).
        label: number of its class, from 0.
        group: what ``by_name`` hashes, where it is not the name: parts of one original video share
            it, and so stay on one side.
    """

    path: Path
    name: str
    side: Side | None = None
    label: int | None = None
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """All videos of a source, and what its lists name in vain."""

    videos: list[Listed]
    skipped: list[Skipped]
    split: Split


def root_folder(path: str | None) -> Path:
    """The folder ``data.path``. Raises UserError if it is none."""
    root = Path(path or "").expanduser()
    if not root.exists():
        raise UserError(f"data.path must be an existing folder, got {path}")
    if not root.is_dir():
        raise UserError(f"data.path must be a folder of videos, got the file {path}")
    return root


def below(root: Path, name: str) -> Path | None:
    """The place of a name that a list gives; None if it leads out of ``root``."""
    if name.startswith("/") or ".." in name.split("/"):
        return None
    return root / name


def absent(root: Path, name: str) -> Skipped:
    """A video that a list names in vain."""
    reason = "no such file" if below(root, name) else "the name leads out of data.path"
    return Skipped(name, f"absent: {reason}")


def collect(found: Iterable[Listed | Skipped], config: DataConfig, split: Split) -> Listing:
    """A listing of what the lists of a source name, each name once.

    A video listed for both sides is held out: its frames may not train as well.

    Raises:
        UserError: nothing that is listed is there.
    """
    videos: dict[str, Listed] = {}
    skipped: list[Skipped] = []
    for one in found:
        if isinstance(one, Skipped):
            skipped.append(one)
        elif videos.setdefault(one.name, one).side is not one.side:
            videos[one.name] = replace(one, side=Side.heldout)
            skipped.append(Skipped(one.name, "listed for both sides: held out, so not trained on"))
    if not videos:
        first = f"; the first would be {skipped[0].name}" if skipped else ""
        raise UserError(
            f"data.path={config.path} holds none of the {len(skipped)} videos that "
            f"data.lists={config.lists} names{first}"
        )
    return Listing(list(videos.values()), skipped, split)
