"""What all tests share."""

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from odvae.tracking.connection import open_folder
from tests.data.made_videos import FORMATS, make_video

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Tests run side by side: one thread each is faster than several that fight."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _fresh_stores_are_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow takes seconds to make a database: all but the first in a process are copies of it."""
    pattern = tmp_path_factory.mktemp("store")

    def opened(root: Path) -> Any:
        database = root / "mlflow.db"
        if not database.exists() and not database.with_name("mlflow.db.unfinished").exists():
            if not any(pattern.iterdir()):
                open_folder(pattern)
            location = (root / "mlartifacts").as_uri()
            with (
                closing(sqlite3.connect(pattern / "mlflow.db")) as original,
                closing(sqlite3.connect(database)) as copy,
            ):
                original.backup(copy)
                copy.execute(
                    "update experiments set experiment_id = ?, artifact_location = ? "
                    "where name = 'odvae'",
                    (random.getrandbits(60), location),
                )
                copy.commit()
        return open_folder(root)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("odvae.tracking.store.open_folder", opened)
        yield


@pytest.fixture(scope="session")
def short_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four videos of 24 frames of 48x64 px, read in milliseconds."""
    folder = tmp_path_factory.mktemp("short_videos")
    for number in range(4):
        path = folder / f"{number}.mkv"
        make_video(path, 24, FORMATS["mkv, lossless"], first_number=24 * number)
    return folder
