"""Runs are copied to a server exactly once and in order, whatever fails and whenever."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest

from odvae.tracking import Status, Store, upload
from odvae.tracking.address import Refused, Unreachable
from odvae.tracking.ledger import Ledger
from odvae.tracking.logged import ORIGIN_TAG
from odvae.tracking.upload import Sent, Uploader
from tests.tracking.copies import (
    Fault,
    FaultyClient,
    another_server,
    behind,
    check_copy,
    fill,
    rows,
    sweep_with_a_run,
)

METRICS = 12  # of the run of ``sweep_with_a_run``
_numbers = count()


@pytest.fixture(scope="module", autouse=True)
def _small_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(upload, "METRICS_PER_CALL", 5)
        yield


@pytest.fixture(scope="module")
def store(outputs: Store) -> Store:
    return outputs


@pytest.fixture
def server(database: Store) -> Store:
    return another_server(database, f"server {next(_numbers)}")


@pytest.fixture(scope="module")
def ids(store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return sweep_with_a_run(store, tmp_path_factory.mktemp("files"))


def _uploader(store: Store, server: Store, ledger: str = "one") -> Uploader:
    return Uploader(store, server, Ledger(store.output, ledger))


def test_a_copy_is_whole_and_is_not_sent_twice(store: Store, server: Store, ids: list[str]) -> None:
    client = FaultyClient(server.client)
    uploader = _uploader(store, behind(server, client))
    assert [uploader.lacking(run_id) for run_id in ids] == [Sent(1, METRICS, 2), Sent(1, 0, 1)]
    assert client.calls == []
    assert [uploader.upload(run_id) for run_id in ids] == [Sent(1, METRICS, 2), Sent(1, 0, 1)]
    for run_id in ids:
        check_copy(store, server, run_id)
    made = client.calls.count("create_run"), client.calls.count("log_batch")
    assert made == (2, 2 + 1 + 3)  # params and tags, tags of the sweep, 12 values by 5
    client.calls.clear()
    assert [uploader.upload(run_id) for run_id in ids] == [Sent(), Sent()]
    assert [uploader.lacking(run_id) for run_id in ids] == [Sent(), Sent()]
    assert client.calls == []  # the server is not even asked


@pytest.mark.parametrize(
    ("fault", "ledger_is_lost"),
    [
        (Fault.after, False),
        pytest.param(Fault.after, True, marks=pytest.mark.slow),
        pytest.param(Fault.before, False, marks=pytest.mark.slow),
        pytest.param(Fault.before, True, marks=pytest.mark.slow),
    ],
)
def test_every_call_may_fail(
    store: Store, database: Store, ids: list[str], fault: Fault, ledger_is_lost: bool
) -> None:
    run_id = ids[0]  # the sweep above it has to be made for it
    for at in count():
        server = another_server(database, f"{fault} {ledger_is_lost} at call {at}")
        client = FaultyClient(server.client, at=at, fault=fault)
        ledger = Ledger(store.output, f"every call {ledger_is_lost}")
        with suppress(Unreachable):
            Uploader(store, behind(server, client), ledger).upload(run_id)
        if ledger_is_lost:
            shutil.rmtree(ledger.folder)
            ledger.folder.mkdir()
        Uploader(store, server, ledger).upload(run_id)
        check_copy(store, server, run_id)
        assert len(server.runs()) == len(ids)
        if len(client.calls) <= at:  # there is no such call any more
            break
    assert at > 12


@pytest.mark.parametrize("seed", range(2))
def test_a_run_is_followed_through_failures(
    store: Store, server: Store, tmp_path: Path, seed: int
) -> None:
    """Uploads are cut off again and again while the run goes on, ends, and is resumed."""
    chance = random.Random(seed)

    def send() -> None:
        fault = chance.choice(list(Fault))
        client = FaultyClient(server.client, at=chance.randrange(12), fault=fault)
        with suppress(Unreachable):
            _uploader(store, behind(server, client)).upload(log.run_id)

    log = store.create(f"followed {seed}", tags={}, parent_id=None)
    fill(log, tmp_path)
    send()
    for step in range(4, 16):
        log.metrics({"train/loss": chance.random(), "train/kl": 0.5}, step)
        log.text(f"{step}", "changing.txt")
        log.flush()
        send()
    log.finish(Status.KILLED)
    send()
    log = store.resume(log.run_id)
    send()
    log.metrics({"train/loss": 0.1}, step=16)
    log.finish(Status.FINISHED)
    send()
    _uploader(store, server).upload(log.run_id)
    copy = check_copy(store, server, log.run_id)
    assert len(rows(server, copy.run_id)) == METRICS + 2 * 12 + 1


def test_a_run_that_goes_on_is_open_on_the_server(store: Store, server: Store) -> None:
    uploader = _uploader(store, server)
    log = store.create("open", tags={}, parent_id=None)
    statuses = []
    for status in (None, Status.KILLED, None, Status.FINISHED):
        if status is None:
            log = store.resume(log.run_id)
        else:
            log.finish(status)
        uploader.upload(log.run_id)
        statuses.append(server.runs()[0].status)
    assert statuses == ["RUNNING", "KILLED", "RUNNING", "FINISHED"]


def test_an_adopted_run_gets_below_its_sweep(store: Store, server: Store) -> None:
    uploader = _uploader(store, server)
    run = store.create("alone", tags={}, parent_id=None)
    run.finish(Status.FINISHED)
    uploader.upload(run.run_id)
    sweep = store.create("sweep", tags={}, parent_id=None)
    store.adopt(run.run_id, parent_id=sweep.run_id)
    assert uploader.upload(run.run_id) == Sent(1, 0, 0)
    assert check_copy(store, server, run.run_id).parent_id is not None


def test_a_request_that_arrives_late_leaves_no_second_run(store: Store, server: Store) -> None:
    log = store.create("late", tags={}, parent_id=None)
    log.metrics({"train/loss": 1.0}, step=1)
    log.finish(Status.FINISHED)
    given_up = FaultyClient(server.client, at=1)
    uploader = _uploader(store, behind(server, given_up))
    with pytest.raises(Unreachable, match="no answer in time"):
        uploader.upload(log.run_id)
    assert given_up.calls == ["search_runs", "create_run"]
    # Another try finds nothing there, makes the run, and fails later on; then, at last, the first
    # request is carried out.
    with pytest.raises(Unreachable):
        _uploader(store, behind(server, FaultyClient(server.client, at=2))).upload(log.run_id)
    late = server.client.create_run(server.experiment_id, tags={ORIGIN_TAG: log.run_id})
    _uploader(store, server).upload(log.run_id)
    assert check_copy(store, server, log.run_id).run_id != late.info.run_id
    assert server.client.get_run(late.info.run_id).info.lifecycle_stage == "deleted"


def test_another_server_at_the_address_gets_everything(
    store: Store, database: Store, ids: list[str]
) -> None:
    for name in ("first", "second"):
        server = another_server(database, name)
        assert _uploader(store, server, "one address").upload(ids[0]) == Sent(1, METRICS, 2)
        check_copy(store, server, ids[0])


def test_what_was_deleted_there_stays_deleted(store: Store, server: Store) -> None:
    log = store.create("unwanted", tags={}, parent_id=None)
    uploader = _uploader(store, server)
    uploader.upload(log.run_id)
    server.client.delete_run(server.runs()[0].run_id)
    log.metrics({"train/loss": 1.0}, step=1)
    log.finish(Status.FINISHED)
    for ledger in ("one", "another"):
        with pytest.raises(Refused, match=r"refuses: .*must be in the 'active' state"):
            _uploader(store, server, ledger).upload(log.run_id)
    assert server.runs() == []


def test_what_was_deleted_here_is_not_sent(store: Store, server: Store) -> None:
    log = store.create("deleted", tags={}, parent_id=None)
    store.client.delete_run(log.run_id)
    assert _uploader(store, server).upload(log.run_id) == Sent()
    assert server.runs() == []


def test_a_database_that_was_rewritten_doubles_nothing(
    store: Store, server: Store, tmp_path: Path
) -> None:
    other = store.create("before it", tags={}, parent_id=None)
    fill(other, tmp_path)
    other.flush()
    log = store.create("rewritten", tags={}, parent_id=None)
    fill(log, tmp_path)
    log.flush()
    _uploader(store, server).upload(log.run_id)
    for step in range(20, 23):
        log.metrics({"train/loss": 1.0}, step)
    log.finish(Status.FINISHED)
    with closing(sqlite3.connect(store.output / "mlflow.db", isolation_level=None)) as database:
        numbers = "select max(rowid) from metrics where run_uuid = ?"
        (before,) = database.execute(numbers, (log.run_id,)).fetchone()
        database.execute("delete from metrics where run_uuid = ?", (other.run_id,))
        database.execute("create table kept as select * from metrics order by rowid")
        database.execute("delete from metrics")
        database.execute("insert into metrics select * from kept order by rowid")
        database.execute("drop table kept")
        (after,) = database.execute(numbers, (log.run_id,)).fetchone()
    assert after < before
    _uploader(store, server).upload(log.run_id)
    check_copy(store, server, log.run_id)


def test_a_run_that_another_process_sends_is_left_to_it(
    store: Store, server: Store, ids: list[str]
) -> None:
    ledger = Ledger(store.output, "held")
    uploader = Uploader(store, server, ledger)
    with ledger.claim(ids[0]):
        assert uploader.upload(ids[0], wait=False) == Sent()
    assert uploader.upload(ids[0], wait=False).runs == 1


def test_a_damaged_ledger_is_looked_up_again(store: Store, server: Store, ids: list[str]) -> None:
    ledger = Ledger(store.output, "damaged")
    Uploader(store, server, ledger).upload(ids[0])
    (ledger.folder / f"{ids[0]}.json").write_text('{"server": "')
    assert set(ledger.unfinished()) == set(ids)  # of the sweep, there is a run so far
    # Files are sent again, over those that are there.
    assert Uploader(store, server, ledger).upload(ids[0]) == Sent(1, 0, 2)
    check_copy(store, server, ids[0])
    assert ledger.unfinished() == [ids[1]]
