"""kill -9 while a store's database is made: the next one to open it makes it anew."""

import multiprocessing
import os
from pathlib import Path

import pytest

from odvae.tracking import Status, Store


def _die_while_making(output_dir: Path, statements: int) -> None:
    """Open a fresh store, and end without a word after so many changes of its database."""
    from sqlalchemy import Engine, event

    seen = 0

    def count(connection: object, cursor: object, statement: str, *_: object) -> None:
        nonlocal seen
        seen += statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE"))
        if seen == statements:
            os._exit(9)

    event.listen(Engine, "after_cursor_execute", count)
    Store.open(output_dir)


@pytest.mark.slow  # two databases are made: seconds each
@pytest.mark.parametrize("statements", [1, 12])
def test_a_store_half_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: int
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    process = multiprocessing.get_context("spawn").Process(
        target=_die_while_making, args=(tmp_path, statements)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    log = Store.open(tmp_path).create("after it", tags={}, parent_id=None)
    log.finish(Status.FINISHED)
    assert [run.name for run in Store.open(tmp_path).runs()] == ["after it"]
    assert not list(tmp_path.glob("*.unfinished"))
