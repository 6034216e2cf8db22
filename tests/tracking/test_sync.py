"""The command that uploads what is left, and where runs are read when there is a shared MLflow."""

import re
from pathlib import Path

import pytest

from odvae import page, sync
from odvae.comparison.find_runs import find_runs
from odvae.errors import UserError
from odvae.tracking import Status, Store
from odvae.tracking.logged import ORIGIN_TAG
from tests.tracking.copies import check_copy, sweep_with_a_run

AWAY = "http://someone:secret@127.0.0.1:9"
REFUSED = "MLFLOW_TRACKING_URI=http://127.0.0.1:9: cannot be used: connection refused"


@pytest.fixture
def ids(outputs: Store, tmp_path: Path) -> list[str]:
    """The only runs of the folder."""
    for run in outputs.runs():
        outputs.client.delete_run(run.run_id)
    return sweep_with_a_run(outputs, tmp_path)


@pytest.fixture
def server(database: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database.uri)
    return database


def _sync(store: Store, *words: str) -> int:
    return sync.main(["--output-dir", str(store.output), *words])


def test_what_is_left_is_sent_once(
    outputs: Store, server: Store, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for words in (["--dry-run"], [], ["--dry-run"], []):
        assert _sync(outputs, *words) == 0
        said.append(capsys.readouterr().out.partition(f" to {server.uri}: ")[2])
    assert said == [
        "would send 2 runs (12 metric values, 3 files); 0 runs were there already\n",
        "sent 2 runs (12 metric values, 3 files); 0 runs were there already\n",
        "would send 0 runs (0 metric values, 0 files); 2 runs were there already\n",
        "sent 0 runs (0 metric values, 0 files); 2 runs were there already\n",
    ]
    for run_id in ids:
        check_copy(outputs, server, run_id)


def test_a_run_that_is_refused_is_named(
    outputs: Store, server: Store, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    unwanted = outputs.create("unwanted", tags={}, parent_id=None)
    unwanted.finish(Status.FAILED)
    server.client.create_run(server.experiment_id, tags={ORIGIN_TAG: unwanted.run_id})
    server.client.delete_run(server.find({ORIGIN_TAG: unwanted.run_id})[0].run_id)
    assert _sync(outputs) == 2
    told = capsys.readouterr()
    assert f"sent {len(ids)} runs" in told.out
    assert told.err.splitlines()[0].startswith(f"odvae: run {unwanted.run_id[:8]} unwanted: ")
    assert told.err.splitlines()[1] == "odvae: 1 run refused"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (AWAY, REFUSED),
        ("nonsense://x", "MLFLOW_TRACKING_URI=nonsense://x: cannot be used: .*"),
        ("", "MLFLOW_TRACKING_URI is not set: it names the MLflow to upload to"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_in_a_line(
    outputs: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uri: str,
    told: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert _sync(outputs) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(f"odvae: {told}\n", captured.err)
    assert captured.out == ""


def test_mistakes_are_told_in_a_line(
    outputs: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", outputs.uri)
    assert _sync(outputs) == 2
    assert "is the store of" in capsys.readouterr().err
    assert sync.main(["--output-dir", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"odvae: --output-dir={tmp_path / 'none'} holds no runs\n"
    assert not (tmp_path / "none").exists()


def test_runs_are_read_where_they_are_shared(
    outputs: Store, server: Store, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _sync(outputs) == 0
    shared = Store.open_to_read(outputs.output)
    assert shared.uri == server.uri
    runs = shared.runs()
    (copy,) = shared.find({ORIGIN_TAG: ids[0]})
    assert copy.run_id != ids[0]
    # By either identifier, or the beginning of it.
    for word in (ids[0], ids[0][:8], copy.run_id, copy.run_id[:8]):
        assert [run.run_id for run in find_runs(runs, [word])] == [copy.run_id]
    assert Store.open(outputs.output).uri == outputs.uri  # what is decided is decided by it
    assert capsys.readouterr().err == ""


def test_runs_are_read_here_while_a_server_is_away(
    outputs: Store,
    ids: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    store = Store.open_to_read(outputs.output)
    assert {run.run_id for run in store.runs()} == set(ids)
    assert capsys.readouterr().err == f"odvae: {REFUSED}; reading {outputs.output}\n"
    with pytest.raises(UserError, match=f"^{REFUSED}$"):
        Store.open_to_read(tmp_path)


def test_the_page_of_a_server_is_told_without_the_password(
    server: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.create("seen", tags={}, parent_id=None)
    monkeypatch.setattr(server, "uri", "http://me:secret@host:5000/")
    monkeypatch.setattr(Store, "open_to_read", lambda _output: server)
    assert page.main(["--no-browser"]) == 0
    assert capsys.readouterr().out.startswith("MLflow's page: http://host:5000/#/experiments/")
