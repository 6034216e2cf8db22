"""Tilings stand beside the whole clip that they were compared with, and the paper's Table 4."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import NoRuns, Runs, choose, load, tiling
from analysis.tables import markdown
from analysis.tiling_table import LOSS, as_texts, numbers
from odvae.tracking import Status, Store
from tests.analysis import synthetic

LOSS_DB = {"temporal": 0.3, "spatiotemporal": 0.5, "stream": 0.0}
LEVELS = [
    "paper operators, off",
    "paper operators, temporal 17",
    "paper operators, temporal 9",
    "strict operators, off",
    "strict operators, spatiotemporal 9, tiles of 32 px",
    "strict operators, stream 4",
    "strict operators, temporal 17",
    "strict operators, temporal 9",
]


def _add(
    store: Store, mode: str, *, operators: str, sha256: str = "aa", frames: int = 33, **tags: str
) -> None:
    """One evaluation; its loss falls with the size of the parts."""
    own = {"task": "evaluate", "operators": operators, "tiling": mode, "weights.sha256": sha256}
    run_id = synthetic.add(
        store,
        tags=own | tags,
        params={
            "tiling.group_frames": str(frames),
            "tiling.chunk_frames": "4",
            "tiling.tile_px": "32",
            "tiling.overlap": "0.25",
        },
        extra_db=-LOSS_DB.get(mode, 0.0) * 9 / frames,
    )
    if mode != "off":
        log = store.resume(run_id)
        log.metrics({"tiling/psnr_db": 40.0, "tiling/max_abs_diff": 0.125}, 0)
        for distance in range(4):
            log.metrics({"tiling/seam_error": 0.1 / (1 + distance)}, distance)
            if mode == "spatiotemporal":
                log.metrics({"tiling/seam_error_px": 0.2 / (1 + distance)}, distance)
        log.finish(Status.FINISHED)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two models, whole and tiled, and runs that must not stand beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("synthetic_tilings")
        store = Store.open(folder)
        for operators in ("paper", "strict"):
            _add(store, "off", operators=operators)
            for frames in (9, 17):
                _add(store, "temporal", operators=operators, frames=frames)
        _add(store, "spatiotemporal", operators="strict", frames=9)
        _add(store, "stream", operators="strict", frames=9)
        _add(store, "stream", operators="strict", frames=17)  # which it does not read: the same
        _add(store, "off", operators="strict", sha256="bb")  # another model, less tiled
        _add(store, "temporal", operators="paper", frames=5, protocol="another")
        synthetic.add(store)  # a training
        return load(folder)


def test_the_most_tiled_model_of_each_operators_is_chosen(tiled: Runs) -> None:
    selection = choose(tiled, by="tiling")
    assert selection.levels == LEVELS
    assert set(selection.runs.table["weights.sha256"]) == {"aa"}
    assert set(selection.runs.table["task"]) == {"evaluate"}
    assert selection.setting["protocol"] == synthetic.TAGS["protocol"]
    assert "train.steps" not in selection.setting  # what a saved model was trained with is unknown


def test_without_whole_clips_there_is_nothing_to_compare(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for mode in ("temporal", "stream"):
        _add(store, mode, operators="strict")
    with pytest.raises(NoRuns, match=r"\+experiment=tiling task=evaluate checkpoint=PATH$"):
        choose(load(tmp_path), by="tiling")


def test_loss_is_against_the_whole_clip_by_the_same_operators(tiled: Runs) -> None:
    table = numbers(choose(tiled, by="tiling"))
    loss = table[table["metric"] == LOSS].set_index(["operators", "tiling", "part_frames"])["value"]
    assert loss["paper", "off", ""] == 0
    assert loss["paper", "temporal", "9"] == pytest.approx(0.3)
    assert loss["strict", "temporal", "17"] == pytest.approx(0.3 * 9 / 17)
    assert loss["strict", "spatiotemporal", "9"] == pytest.approx(0.5)
    assert loss["strict", "stream", "4"] == 0


def test_the_figure_has_its_numbers_and_the_papers(tiled: Runs, tmp_path: Path) -> None:
    png = tiling.draw(choose(tiled, by="tiling"), name="eight", folder=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        f"eight.{suffix}" for suffix in ("png", "pdf", "csv", "md", "tex")
    }
    assert png.read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(png.with_suffix(".csv"))
    profile = table[(table["metric"] == "seam_error") & (table["tiling"] == "spatiotemporal")]
    assert list(profile["distance"]) == [0, 1, 2, 3]
    assert list(profile["value"]) == pytest.approx([0.1, 0.05, 0.1 / 3, 0.025], rel=1e-5)
    paper = table[(table["source"] == "paper") & (table["metric"] == "psnr")]
    assert dict(zip(paper["tiling"], paper["value"], strict=True)) == {
        "off": 31.05,
        "temporal": 30.98,
    }


def test_the_markdown_has_both_tables(tiled: Runs) -> None:
    text = markdown(as_texts(numbers(choose(tiled, by="tiling"))))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    about = [row[:3] for row in rows]
    assert about[2:10] == [
        ["paper", "off", "-"],
        ["paper", "temporal", "9 frames"],
        ["paper", "temporal", "17 frames"],
        ["strict", "off", "-"],
        ["strict", "temporal", "9 frames"],
        ["strict", "temporal", "17 frames"],
        ["strict", "spatiotemporal", "9 frames, 32 px"],
        ["strict", "stream", "4 frames"],
    ]
    assert rows[3][4] == "0.300"
    assert [row[:2] for row in rows[12:]] == [["off", "31.05"], ["temporal", "30.98"]]


def test_one_kind_of_operators_is_drawn_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for mode in ("off", "temporal"):
        _add(store, mode, operators="paper")
    assert tiling.draw(choose(load(tmp_path), by="tiling"), name="x", folder=tmp_path).is_file()
