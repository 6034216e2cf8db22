"""A folder's store and a database that stands for a server: making either takes seconds."""

from collections.abc import Iterator

import pytest

from odvae.tracking import Store


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of an output folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Store.open(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store behind a server."""
    return Store.open(tmp_path_factory.mktemp("server"))
