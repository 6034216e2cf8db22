from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from analysis import Runs, load, load_generations
from tests.analysis import synthetic, synthetic_generations

_MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF"}


@pytest.fixture(autouse=True)
def unpainted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are laid out, but painted only in tests that take ``painted``: that takes seconds."""
    if "painted" not in request.fixturenames:

        def pretend(_: Figure, path: str, **__: object) -> None:
            Path(path).write_bytes(_MAGIC[Path(path).suffix])

        monkeypatch.setattr(Figure, "savefig", pretend)


@pytest.fixture
def painted() -> None:
    """Figures are files that a viewer opens."""


@pytest.fixture(scope="session")
def output_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An output folder with invented runs."""
    yield from _filled(tmp_path_factory, synthetic.fill)


@pytest.fixture(scope="session")
def runs(output_dir: Path) -> Runs:
    return load(output_dir)


@pytest.fixture(scope="session")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Invented runs of several methods."""
    yield from map(load, _filled(tmp_path_factory, synthetic.fill_methods))


@pytest.fixture(scope="session")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Invented runs of initialisations with several kinds of operators."""
    yield from map(load, _filled(tmp_path_factory, synthetic.fill_starts))


@pytest.fixture(scope="session")
def generations_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An output folder with invented generations."""
    yield from _filled(tmp_path_factory, synthetic_generations.fill)


@pytest.fixture(scope="session")
def generations(generations_dir: Path) -> Runs:
    return load_generations(generations_dir)


def _filled(factory: pytest.TempPathFactory, fill: Callable[[Path], object]) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = factory.mktemp(fill.__name__)
        fill(folder)
        yield folder
