"""The view that MLflow's page opens with, and the server behind it."""

import json
import re
import socket
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from odvae import page as command
from odvae.errors import UserError
from odvae.tracking import LoggedRun, RunLog, Status, Store
from odvae.tracking.logged import NOTE_TAG
from odvae.tracking.page import KIND_TAG, VIEW_TAG, columns, envelope, route, view_state
from odvae.tracking.page_server import HOST, check_port, server_command


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def store(output: Path) -> Store:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Store.open(output)


@pytest.fixture(scope="module")
def run(store: Store) -> LoggedRun:
    log: RunLog = store.create("variant=4", tags={"model": "odvae"}, parent_id=None)
    scores = {"psnr_db": 30.0, "ssim": 0.9, "lpips_alex": 0.1, "psnr_db_by_frame": 29.0}
    log.metrics({f"eval/{name}": value for name, value in scores.items()}, step=1)
    log.metrics({"eval/fvd_untrained_r3d18": 0.3, "cost/wall_s": 9.0, "train/kl": 1.0}, step=1)
    log.describe("**whole**\n\n" + log.picture("plots/a b.png"))
    log.finish(Status.FINISHED)
    return store.get(log.run_id)


def _written_in_the_page() -> str:
    """The JavaScript of the installed MLflow's page."""
    built = Path(str(files("mlflow"))) / "server" / "js" / "build" / "static" / "js"
    if not built.is_dir():
        pytest.skip("this MLflow has no page")
    return "".join(file.read_text() for file in sorted(built.glob("*.js")))


def test_a_view_survives_the_store(store: Store, run: LoggedRun) -> None:
    place = route(store, [run])
    tags = store.experiment_tags()
    assert tags[KIND_TAG] == "custom_model_development"
    stored = json.loads(tags[VIEW_TAG])
    assert json.loads(stored["state"]) == view_state([run])
    start, _, query = place.partition("?")
    assert start == f"/#/experiments/{store.experiment_id}/runs"
    words = dict(word.split("=") for word in query.split("&"))
    assert VIEW_TAG.endswith("." + words["viewStateShareKey"])


def test_the_kind_that_someone_chose_stays(store: Store, run: LoggedRun) -> None:
    store.tag_experiment(KIND_TAG, "finetuning")
    route(store, [run])
    assert store.experiment_tags()[KIND_TAG] == "finetuning"


def test_the_columns_are_those_that_matter(run: LoggedRun) -> None:
    shown = columns([run])
    assert shown == [
        *("tags.`variant`", "tags.`init`", "tags.`seed`", "tags.`protocol.name`"),
        *("metrics.`eval/psnr_db`", "metrics.`eval/ssim`", "metrics.`eval/lpips_alex`"),
        *(f"metrics.`cost/{c}`" for c in ("encode_clips_per_s", "parameters_millions", "wall_s")),
    ]


def test_a_generation_shows_what_came_of_it(run: LoggedRun) -> None:
    names = ["train_steps_per_s", "validation_loss", "loss", "clips"]
    names += ["kvd_untrained_r3d18_generation", "fvd_untrained_r3d18_generation"]
    metrics = run.metrics | {f"generation/{name}": 1.0 for name in names}
    shown = [name for name in columns([replace(run, metrics=metrics)]) if "generation/" in name]
    assert shown == [
        "metrics.`generation/validation_loss`",
        "metrics.`generation/fvd_untrained_r3d18_generation`",
        "metrics.`generation/kvd_untrained_r3d18_generation`",
        "metrics.`generation/train_steps_per_s`",
    ]


def test_the_installed_page_knows_every_word_of_a_view(run: LoggedRun) -> None:
    written = _written_in_the_page()
    for key in view_state([run]):
        assert re.search(rf'["{{,]{key}[":]', written), key
    for word in (*json.loads(envelope({}, now_ms=5)), "viewStateShareKey", "workflowType"):
        assert word in written, word
    for value in ("mlflow.sharedViewState.", KIND_TAG, "machine_learning", NOTE_TAG):
        assert f'"{value}"' in written, value


def test_a_note_is_stored_with_its_picture(run: LoggedRun) -> None:
    picture = f"![plots/a b.png](get-artifact?path=plots%2Fa+b.png&run_uuid={run.run_id})"
    assert run.tags[NOTE_TAG] == f"**whole**\n\n{picture}"


def test_the_server_is_for_this_computer_alone(store: Store, output: Path) -> None:
    words = server_command(store, output, port=5123)
    assert words[1:4] == ["-m", "mlflow", "server"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options == {
        "--host": HOST,
        "--port": "5123",
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{output / 'mlflow.db'}",
        "--artifacts-destination": str(output / "mlartifacts"),
    }


def test_a_busy_port_is_told_in_a_line() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=rf"^port {port}: .*--port {port + 1}$"):
            check_port(port)
    with pytest.raises(UserError, match="1 to 65535, got 0"):
        check_port(0)


@pytest.mark.parametrize("made", [False, True])
def test_no_runs_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "empty"
    if made:
        Store.open(folder)
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    assert command.main(["--output-dir", str(folder), "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"odvae: output_dir={folder}: there are no runs yet")
    assert told.count("\n") == 1
    assert folder.exists() == made


def test_a_missing_artifact_is_told_in_a_line(store: Store, run: LoggedRun) -> None:
    with pytest.raises(UserError, match="its artifact scores/none cannot be had") as told:
        store.artifact(run.run_id, "scores/none")
    assert "\n" not in str(told.value)
