"""Videos in, clips out: sources and their split, exact reading, the evaluation manifest."""

from odvae.data.augment import augment_clip
from odvae.data.clips import Clips, TrainingClips, evaluation_clips, prefetch
from odvae.data.codec import through_mpeg4
from odvae.data.config import Augment, DataConfig, DataSource
from odvae.data.frames import FrameStore
from odvae.data.manifest import EvalClip, Manifest, config_for, make_manifest
from odvae.data.pixels import resize_short_side, to_pixels, to_uint8
from odvae.data.ranges import Skipped, Source, VideoRange
from odvae.data.scan import Scan, scan_source
from odvae.data.scan_manifest import ScanEntry, ScanManifest
from odvae.data.sources import open_source
from odvae.data.summary import DatasetSummary, dataset_summary, problem_kinds
from odvae.data.video import UnreadableVideo, VideoInfo, probe, read_frames, write_video

__all__ = [
    "Augment",
    "Clips",
    "DataConfig",
    "DataSource",
    "DatasetSummary",
    "EvalClip",
    "FrameStore",
    "Manifest",
    "Scan",
    "ScanEntry",
    "ScanManifest",
    "Skipped",
    "Source",
    "TrainingClips",
    "UnreadableVideo",
    "VideoInfo",
    "VideoRange",
    "augment_clip",
    "config_for",
    "dataset_summary",
    "evaluation_clips",
    "make_manifest",
    "open_source",
    "prefetch",
    "probe",
    "problem_kinds",
    "read_frames",
    "resize_short_side",
    "scan_source",
    "through_mpeg4",
    "to_pixels",
    "to_uint8",
    "write_video",
]
