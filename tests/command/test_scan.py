"""python -m odvae.scan, and a run that reads what it wrote."""

import itertools
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from hydra.core.global_hydra import GlobalHydra

from odvae.compose import compose_run
from odvae.data.listing import Listed
from odvae.data.scan_manifest import ScanEntry
from odvae.data.scan_video import scan_video
from odvae.experiment.heldout import HeldOut
from odvae.scan import main
from tests.data.made_sources import make_ucf101, video


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Five sound videos, two of them copies, and a broken one; the current folder is its parent."""
    root = tmp_path / "my videos"
    for number in range(5):
        video(root / f"v{number}.mp4", first_number=10 * (number % 4))
    (root / "text.mp4").write_text("no video\n" * 50)
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    yield root
    GlobalHydra.instance().clear()


def test_it_counts_and_writes(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data=folder", f"data.path={tree}", "--jobs", "2"]
    assert main(words) == 0  # a bad video is no failure
    out = capsys.readouterr().out
    assert re.search(r"videos +6 +.* 6 decoded now", out)
    assert re.search(r"sound +5 ", out)
    assert re.search(r"unreadable +1 +text\.mp4", out)
    assert re.search(r"copies +1 +v0\.mp4 = v4\.mp4", out)
    (written,) = Path("outputs/cache").glob("scan-*.json")
    assert str(written) in out
    assert main(words) == 0
    assert " 0 decoded now" in capsys.readouterr().out


def test_a_run_finds_it(tree: Path) -> None:
    assert main(["data=folder", f"data.path={tree}", "output_dir=results"]) == 0
    config = compose_run(["preset=smoke", "data=folder", f"data.path={tree}", "output_dir=results"])
    heldout = HeldOut.open(config, batch=1)
    assert heldout.source.scan_digest is not None
    assert heldout.source.skipped[0].reason.startswith("unreadable: ")


def test_absent_videos_are_counted(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, lists = make_ucf101(tree / "ucf")
    (root / "YoYo" / "v_YoYo_g02_c01.avi").unlink()
    assert main(["data=ucf101", f"data.path={root}", f"data.lists={lists}"]) == 0
    assert re.search(r"absent +1 +YoYo/v_YoYo_g02_c01\.avi", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data=folder"], "data=folder needs data.path=FOLDER"),
        (["data=folder", "data.path=nowhere"], "data.path must be an existing folder, got nowhere"),
        (["data=ucf102"], "data must be one of bundled, folder"),
        (["data.pth=x"], "data.pth"),
        (["--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["--jobs", "two"], "--jobs"),
        (["--fast"], "--fast"),
        (["videos"], "videos"),
    ],
)
def test_mistakes(
    words: list[str], said: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err
    assert re.fullmatch(r"odvae: .+\n", err)


def test_an_interruption_keeps_what_was_done(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5, 60):
        os.link(tree / "v1.mp4", tree / f"v{number}.mp4")
    words = ["data=folder", f"data.path={tree}", "--jobs", "1"]
    turns = itertools.count()

    def interrupted(video: Listed, *, stop: Event) -> ScanEntry:
        if next(turns) == 30:
            signal.raise_signal(signal.SIGTERM)  # handled as Ctrl-C is; SIGINT may be ignored here
        return scan_video(video, stop=stop)

    monkeypatch.setattr("odvae.data.scan.scan_video", interrupted)
    assert main(words) == 130
    assert capsys.readouterr().err.endswith("odvae: interrupted; the same command goes on\n")
    journal = next(Path("outputs/cache").glob(".*.journal"))
    kept = len(journal.read_text().splitlines())
    assert 10 < kept < 61
    assert main(words) == 0
    assert f" {61 - kept} decoded now" in capsys.readouterr().out
