"""Weights are used only when they are what their name says; what is missing says why."""

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.weights import WeightsMissing
from odvae.metrics.weights_command import main
from odvae.metrics.weights_table import TABLE, Weights, WeightsFile

CONTENT = b"not really a network"
VIDEO_NETWORKS = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def toy(bare_computer: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A row of small weights, in the table for the length of a test."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    file = WeightsFile("toy.pth", sha256, len(CONTENT), "http://localhost:9/toy.pth")
    row = Weights("toy", (file,), used_for="tests")
    monkeypatch.setitem(TABLE, "toy", row)
    return row


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A web server on this computer: the folder that it serves, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def serve(row: Weights, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODVAE_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = replace(row.files[0], url=f"{server[1]}/toy.pth")
    monkeypatch.setitem(TABLE, row.name, replace(row, files=(file,)))


def test_table_is_consistent() -> None:
    for name, row in TABLE.items():
        assert row.name == name
        assert any(file.url for file in row.files) == (row.path_variable is None)
        for file in row.files:
            assert len(file.sha256 or "") == 64 or len(file.sha256_prefix) == 8
            if "-" in file.name:  # torchvision's names end in the start of the sha256
                assert file.known_sha256.startswith(Path(file.name).stem.rpartition("-")[2])


def test_a_file_with_the_right_hash_is_found(bare_computer: Path, toy: Weights) -> None:
    assert weights.find("toy") is None
    (bare_computer / "toy.pth").write_bytes(CONTENT)
    assert weights.find("toy") == bare_computer / "toy.pth"
    assert weights.fetch("toy") == bare_computer / "toy.pth"


def test_the_published_start_of_a_hash_is_enough_and_needed(
    bare_computer: Path, toy: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = hashlib.sha256(CONTENT).hexdigest()[:8]
    file = replace(toy.files[0], sha256=None, sha256_prefix=prefix, size_bytes=99)
    monkeypatch.setitem(TABLE, "toy", replace(toy, files=(file,)))
    path = bare_computer / "toy.pth"
    path.write_bytes(CONTENT)
    assert weights.find("toy") == path
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsMissing, match=f"not {prefix}"):
        weights.fetch("toy")
    with pytest.raises(ValueError, match="at least 8 digits of its sha256"):
        replace(file, sha256_prefix=prefix[:7])


def test_a_file_that_the_user_names_is_taken_as_it_is(
    bare_computer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Weights("own", (), used_for="tests", path_variable="ODVAE_OWN")
    monkeypatch.setitem(TABLE, "own", row)
    (bare_computer / "own.npz").write_bytes(CONTENT)
    assert weights.find("own") is None  # a folder is not a name
    monkeypatch.setenv("ODVAE_OWN", str(bare_computer / "own.npz"))
    assert weights.fetch("own") == bare_computer / "own.npz"
    status = next(line for line in weights.status() if line.name == "own")
    assert status.size_bytes == len(CONTENT) and "ODVAE_OWN" in status.how


@pytest.mark.parametrize("content", [b"something else", CONTENT[::-1]])  # other length, same length
def test_a_file_with_a_wrong_hash_is_refused(
    bare_computer: Path, toy: Weights, content: bytes
) -> None:
    (bare_computer / "toy.pth").write_bytes(content)
    assert weights.find("toy") is None
    with pytest.raises(WeightsMissing, match=r"toy\.pth refused: ") as caught:
        weights.fetch("toy")
    assert "\n" not in str(caught.value)


def test_a_file_that_changes_is_checked_again(bare_computer: Path, toy: Weights) -> None:
    path = bare_computer / "toy.pth"
    path.write_bytes(CONTENT)
    assert weights.find("toy") is not None
    path.write_bytes(CONTENT[::-1])
    assert weights.find("toy") is None


def test_a_refused_file_does_not_hide_a_good_one_in_a_later_folder(
    bare_computer: Path, toy: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_computer / "toy.pth").write_bytes(b"broken")
    good = tmp_path / "torch" / "hub" / "checkpoints" / "toy.pth"
    good.parent.mkdir(parents=True)
    good.write_bytes(CONTENT)
    assert weights.find("toy") == good
    second = tmp_path / "second"
    second.mkdir()
    (second / "toy.pth").write_bytes(CONTENT)
    monkeypatch.setenv("ODVAE_WEIGHTS", f"{bare_computer}{os.pathsep}{second}")
    assert weights.find("toy") == second / "toy.pth"


def test_offline_says_why_and_how(bare_computer: Path) -> None:
    with pytest.raises(WeightsMissing, match="ODVAE_OFFLINE forbids") as caught:
        weights.fetch("i3d")
    assert caught.value.name == "i3d"
    assert "dropbox.com" in caught.value.how and "ODVAE_WEIGHTS" in caught.value.how


def test_a_download_is_checked_and_cached(
    toy: Weights, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(toy, server, monkeypatch)
    (server[0] / "toy.pth").write_bytes(CONTENT)
    path = weights.fetch("toy")
    assert path == weights.cache_folder() / "toy.pth"
    assert path.read_bytes() == CONTENT
    (server[0] / "toy.pth").unlink()
    assert weights.fetch("toy") == path


def test_a_download_of_other_bytes_is_refused_and_leaves_nothing(
    toy: Weights, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(toy, server, monkeypatch)
    (server[0] / "toy.pth").write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsMissing, match="sha256 is"):
        weights.fetch("toy")
    assert [file.suffix for file in weights.cache_folder().iterdir()] == [".lock"]


def test_a_failed_download_says_why(
    toy: Weights, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(toy, server, monkeypatch)
    with pytest.raises(WeightsMissing, match=r"the download failed .*404"):
        weights.fetch("toy")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match=r"must be one of alexnet, .*, got 'resnet'"):
        weights.find("resnet")


def test_command_lists_every_row(
    bare_computer: Path,
    toy: Weights,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ODVAE_C3D", raising=False)
    (bare_computer / "toy.pth").write_bytes(CONTENT)
    (bare_computer / "i3d_torchscript.pt").write_bytes(b"half a download")
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith(" ")] == [
        ["alexnet", "missing"],
        ["vgg16", "missing"],
        ["squeezenet", "missing"],
        ["raft_small", "missing"],
        ["i3d", "missing"],
        *([name, "missing"] for name in VIDEO_NETWORKS),
        ["c3d", "missing"],
        ["toy", "present"],
    ]
    assert any("i3d_torchscript.pt refused: 15 bytes" in line for line in lines)


def test_command_fetch_exits_2_with_one_line(
    bare_computer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", "alexnet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_command_fetch_prints_where(
    bare_computer: Path, toy: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare_computer / "toy.pth").write_bytes(CONTENT)
    main(["fetch", "toy"])
    assert capsys.readouterr().out == f"toy: {bare_computer / 'toy.pth'}\n"
