"""What is written is what is read; nothing is stored twice; opening never races."""

import math
import multiprocessing
from pathlib import Path

import pytest

from odvae.errors import UserError
from odvae.tracking import LoggedRun, RunLog, Status, Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Store.open(tmp_path_factory.mktemp("outputs") / "made on demand")


def _started(store: Store, name: str, tags: dict[str, str] | None = None) -> RunLog:
    return store.create(name, tags=tags or {}, parent_id=None)


def test_a_run_reads_back_as_written(store: Store) -> None:
    log = _started(store, "whole", {"variant": "4"})
    log.params({"train.steps": 20, "model.width": 32})
    log.dataset("videos", "a" * 64, source="/data", profile={"train_videos": 3})
    log.metrics({"eval/psnr_db": 21.5}, step=0)
    log.metrics({"eval/psnr_db": 28.25}, step=20)
    assert store.get(log.run_id).metrics == {}  # metrics wait
    log.finish(Status.FINISHED)
    run = store.get(log.run_id)
    assert isinstance(run, LoggedRun)
    assert (run.name, run.status, run.parent_id) == ("whole", "FINISHED", None)
    assert run.params == {"train.steps": "20", "model.width": "32"}
    assert run.tags["variant"] == "4"
    assert run.metrics == {"eval/psnr_db": 28.25}
    assert run.datasets == {"videos": "a" * 32}
    assert store.history(log.run_id, "eval/psnr_db") == [(0, 21.5), (20, 28.25)]
    assert run.started.utcoffset() is not None


def test_children_know_their_parent_and_are_found_by_tags(store: Store) -> None:
    kind = {"odvae.kind": "run", "sweep": "children"}
    parent = _started(store, "parent", {"odvae.kind": "sweep"})
    children = [
        store.create(name, tags={**kind, "odvae.key": name}, parent_id=parent.run_id)
        for name in ("variant=1", "it's 'quoted'")
    ]
    found = store.find(kind)
    assert {run.run_id for run in found} == {child.run_id for child in children}
    assert {run.parent_id for run in found} == {parent.run_id}
    (quoted,) = store.find({"odvae.key": "it's 'quoted'"})
    assert quoted.name == "it's 'quoted'"
    assert store.find({"sweep": "children", "odvae.key": "none of them"}) == []
    assert [run.started for run in found] == sorted((run.started for run in found), reverse=True)
    assert {parent.run_id, *(child.run_id for child in children)} <= {
        run.run_id for run in store.runs()
    }


def test_resuming_stores_nothing_twice(store: Store) -> None:
    first = _started(store, "resumed")
    first.params({"seed": 0})
    for step in range(1, 6):
        first.metrics({"train/loss": step / 10}, step)
    first.metrics({"eval/psnr_db": 20.0}, step=4)
    first.finish(Status.KILLED)
    assert store.get(first.run_id).status == "KILLED"

    second = store.resume(first.run_id)
    assert store.get(first.run_id).status == "RUNNING"
    second.params({"seed": 0, "trainer.precision": "fp32"})
    for step in range(4, 8):  # starts again from the state saved at step 3
        second.metrics({"train/loss": -step / 10, "eval/psnr_db": -1.0, "eval/ssim": 0.5}, step)
    second.finish(Status.FINISHED)
    losses = [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4), (5, 0.5), (6, -0.6), (7, -0.7)]
    assert store.history(first.run_id, "train/loss") == losses
    assert store.history(first.run_id, "eval/psnr_db") == [(4, 20.0), (5, -1), (6, -1), (7, -1)]
    assert [step for step, _ in store.history(first.run_id, "eval/ssim")] == [4, 5, 6, 7]
    assert store.get(first.run_id).params == {"seed": "0", "trainer.precision": "fp32"}


def test_params_may_be_given_twice_and_are_cut(store: Store) -> None:
    log = _started(store, "params")
    many = {f"part.field_{i}": i for i in range(250)}
    log.params(many)
    log.params({**many, "text": "x" * 7000})
    log.tags({f"tag_{i}": i for i in range(150)})
    run = store.get(log.run_id)
    assert len(run.params) == 251
    assert run.params["part.field_249"] == "249"
    assert run.params["text"] == "x" * 5999 + "…"
    assert run.tags["tag_149"] == "149"


def test_many_metrics_go_in_one_flush(store: Store) -> None:
    log = _started(store, "many")
    for step in range(750):
        log.metrics({"train/loss": float(step), "train/kl": -float(step)}, step)
    log.metrics({"train/loss": 0.5}, step=749)  # the last one given counts
    log.flush()
    log.flush()  # nothing waits any more
    expected = [(step, float(step)) for step in range(749)]
    assert store.history(log.run_id, "train/loss") == [*expected, (749, 0.5)]
    assert len(store.history(log.run_id, "train/kl")) == 750


def test_the_last_value_of_a_step_counts(store: Store) -> None:
    log = _started(store, "twice")
    for value in (3.0, 1.0):
        log.metrics({"eval/psnr_db": value}, step=5)
        log.flush()
    assert store.history(log.run_id, "eval/psnr_db") == [(5, 1.0)]


def test_values_that_are_not_finite_survive(store: Store) -> None:
    log = _started(store, "not finite")
    log.metrics({"nan": math.nan, "up": math.inf, "down": -math.inf}, step=1)
    log.finish(Status.FAILED)
    run = store.get(log.run_id)
    assert math.isnan(run.metrics["nan"])
    assert math.isnan(store.history(log.run_id, "nan")[0][1])
    assert (run.metrics["up"], run.metrics["down"]) == (math.inf, -math.inf)
    assert store.history(log.run_id, "down") == [(1, -math.inf)]


def test_artifacts_read_back(store: Store, tmp_path: Path) -> None:
    log = _started(store, "artifacts")
    (tmp_path / "model.bin").write_bytes(b"\x00\x01")
    log.text("lr: 1e-4\n", "config/run.yaml")
    log.file(tmp_path / "model.bin", "weights")
    log.file(tmp_path / "model.bin", None)
    assert store.artifact(log.run_id, "config/run.yaml").read_text() == "lr: 1e-4\n"
    assert store.artifact(log.run_id, "weights/model.bin").read_bytes() == b"\x00\x01"
    stored = store.artifact(log.run_id, "model.bin")
    assert stored.read_bytes() == b"\x00\x01"
    # Below the output folder, whatever the working directory.
    assert str(stored).startswith(store.uri.removeprefix("sqlite:///").removesuffix("mlflow.db"))


def _open_and_write(output_dir: Path) -> None:
    log = Store.open(output_dir).create("one of three", tags={}, parent_id=None)
    log.metrics({"train/loss": 1.0}, step=1)
    log.finish(Status.FINISHED)


@pytest.mark.slow
def test_processes_may_open_a_fresh_store_together_and_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_open_and_write, args=(tmp_path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert capfd.readouterr() == ("", "")
    runs = Store.open(tmp_path).runs()
    assert [run.status for run in runs] == ["FINISHED"] * 3


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^output_dir=.*below: cannot be written: .*Not a dir"):
        Store.open(tmp_path / "file" / "below")


@pytest.mark.parametrize("server", ["http://127.0.0.1:9", "nonsense://"])
def test_a_folder_s_store_needs_no_server(
    store: Store, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert Store.open(store.output).uri == store.uri
    with pytest.raises(UserError) as error:
        Store.at(server, store.output)
    assert str(error.value).startswith(f"MLFLOW_TRACKING_URI={server}: cannot be used: ")
    assert "\n" not in str(error.value)
