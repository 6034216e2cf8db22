"""Videos in, clips out: sources and their split, exact reading, the evaluation manifest."""

from odvae.data.augment import augment_clip
from odvae.data.clips import TrainingClips, evaluation_clips, prefetch
from odvae.data.config import Augment, DataConfig, DataSource
from odvae.data.frames import FrameStore
from odvae.data.manifest import EvalClip, Manifest, make_manifest
from odvae.data.pixels import resize_short_side, to_pixels, to_uint8
from odvae.data.sources import Skipped, Source, VideoRange, open_source
from odvae.data.video import UnreadableVideo, VideoInfo, probe, read_frames, write_video

__all__ = [
    "Augment",
    "DataConfig",
    "DataSource",
    "EvalClip",
    "FrameStore",
    "Manifest",
    "Skipped",
    "Source",
    "TrainingClips",
    "UnreadableVideo",
    "VideoInfo",
    "VideoRange",
    "augment_clip",
    "evaluation_clips",
    "make_manifest",
    "open_source",
    "prefetch",
    "probe",
    "read_frames",
    "resize_short_side",
    "to_pixels",
    "to_uint8",
    "write_video",
]
