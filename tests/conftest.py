"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch

from tests.data.made_videos import FORMATS, make_video

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Tests run side by side: one thread each is faster than several that fight."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def short_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four videos of 24 frames of 48x64 px, read in milliseconds."""
    folder = tmp_path_factory.mktemp("short_videos")
    for number in range(4):
        path = folder / f"{number}.mkv"
        make_video(path, 24, FORMATS["mkv, lossless"], first_number=24 * number)
    return folder
