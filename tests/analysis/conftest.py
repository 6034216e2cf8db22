from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis import Runs, load
from tests.analysis import synthetic


@pytest.fixture(scope="session")
def output_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An output folder with invented runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("synthetic_outputs")
        synthetic.fill(folder)
        yield folder


@pytest.fixture(scope="session")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Invented runs of several methods."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("synthetic_methods")
        synthetic.fill_methods(folder)
        yield load(folder)


@pytest.fixture(scope="session")
def runs(output_dir: Path) -> Runs:
    return load(output_dir)
