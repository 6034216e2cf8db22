"""Reading clips for long fills no memory."""

from contextlib import closing
from pathlib import Path

import pytest

from odvae.data import DataConfig, FrameStore, TrainingClips, VideoRange, prefetch

from .made_videos import FORMATS, make_video

STATUS = Path("/proc/self/status")
CLIPS, EARLY_CLIPS = 2000, 500
MOST_GROWTH_MB = 4.0


def resident_mb() -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 2**10


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.is_file(), reason="needs Linux, to ask how much memory is in use")
def test_two_thousand_clips_by_seeking_fill_no_memory(tmp_path: Path) -> None:
    # No transport stream: there the demuxer itself takes more and more, in a bare PyAV loop too.
    names = ("mp4, B-frames", "mkv, irregular", "webm", "avi")
    paths = [make_video(tmp_path / f"v{FORMATS[n].suffix}", 60, FORMATS[n]) for n in names]
    config = DataConfig(clip_frames=9, size_px=32, short_side_px=40)
    ranges = [VideoRange(path, path.name, 0, 60) for path in paths]
    clips = TrainingClips(ranges, config, seed=0, store=FrameStore(40, budget_mb=0))
    early_mb = 0.0
    with closing(prefetch(clips, 0, end_step=CLIPS // 2, batch=2)) as batches:
        for done, _ in enumerate(batches, start=1):
            if done * 2 == EARLY_CLIPS:
                early_mb = resident_mb()
    assert resident_mb() - early_mb < MOST_GROWTH_MB
    assert not clips.skipped
