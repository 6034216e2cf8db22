"""python -m odvae.doctor: whatever is broken, it says so, and what to do."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from odvae import doctor
from odvae.config import RunConfig
from odvae.experiment.diagnosis import checks
from odvae.experiment.diagnosis.finding import Finding, ok, problem, warning
from tests.data.made_sources import video

NOBODY = 65534
QUICK = ("output_dir", "store", "server", "data", "disk")  # what needs no slow import


@pytest.fixture(autouse=True)
def _no_hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    yield
    GlobalHydra.instance().clear()


def _look_at(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _config: iter(findings))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Only the quick checks, in a folder of its own."""
    chosen = {name: checks.CHECKS[name] for name in QUICK}
    monkeypatch.setattr(doctor, "examine", lambda config: checks.examine(config, chosen))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_state_has_its_mark_and_the_problems_their_remedies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _look_at(monkeypatch, ok("a", "fine"), warning("b", "so so", "do"), problem("c", "bad", "mend"))
    assert doctor.main([]) == 1
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "✓ a             fine",
        "! b             so so",
        "                -> do",
        "✗ c             bad",
        "                -> mend",
        "1 problem, 1 warning, 1 fine",
    ]


def test_warnings_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    _look_at(monkeypatch, ok("a", "fine"), warning("b", "so so", "do"))
    assert doctor.main([]) == 0


def test_json_is_for_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _look_at(monkeypatch, ok("a", "\udcff.mp4"), problem("c", "bad", "mend"))
    assert doctor.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"subject": "a", "state": "ok", "said": "\\udcff.mp4", "remedy": ""},
        {"subject": "c", "state": "problem", "said": "bad", "remedy": "mend"},
    ]


def test_a_check_that_fails_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: RunConfig) -> Iterator[Finding]:
        yield ok("first", "fine")
        raise ZeroDivisionError("by\nzero")

    rows = {"one": broken, "two": lambda _: iter([ok("second", "fine")])}
    monkeypatch.setattr(doctor, "examine", lambda config: checks.examine(config, rows))
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "one           cannot be looked at: ZeroDivisionError: by zero" in out
    assert "1 problem, 0 warnings, 2 fine" in out
    monkeypatch.setenv("ODVAE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        doctor.main([])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["variant=9"], "variant must be one of"),
        (["data=nothing"], "data must be one of"),
        (["--fast"], "--fast"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1


def test_it_leaves_nothing(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == 0
    assert not list(quick.iterdir())
    assert "0 problems, 0 warnings" in capsys.readouterr().out


def test_everything_is_broken(
    quick: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (quick / "outputs").mkdir()
    (quick / "outputs" / "mlflow.db").write_bytes(os.urandom(5000))
    (quick / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (quick / "videos" / name).write_text("no video")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    began_s = time.monotonic()
    assert doctor.main(["--json", "data=folder", "data.path=videos"]) == 1
    assert time.monotonic() - began_s < 10
    out = capsys.readouterr().out
    states = {one["subject"]: one["state"] for one in json.loads(out)}
    assert (states["store"], states["server"], states["data"]) == ("problem", "warning", "problem")
    assert states["output_dir"] == "ok" and "secret" not in out


def test_a_folder_that_may_not_be_written_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {name: checks.CHECKS[name] for name in ("output_dir", "store", "disk")}
    monkeypatch.setattr(doctor, "examine", lambda config: checks.examine(config, chosen))
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    try:
        if is_root:  # root may write anywhere
            os.seteuid(NOBODY)
        assert doctor.main(["--json", f"output_dir={folder}/outputs"]) == 1
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)
    states = {one["subject"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert (states["output_dir"], states["store"]) == ("problem", "problem")
    assert "disk" not in states


@pytest.fixture
def full_disk() -> Iterator[Path]:
    """A file system of 1 MB without any space; needs root."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mount = shutil.which("mount")
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here")
    try:
        with suppress(OSError), (folder / "others").open("wb", buffering=0) as others:
            while True:
                others.write(bytes(2**16))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.usefixtures("quick")
def test_a_full_disk(full_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--json", f"output_dir={full_disk}"]) == 1
    found = {one["subject"]: one for one in json.loads(capsys.readouterr().out)}
    assert "no space left" in found["output_dir"]["said"]
    assert found["store"]["state"] == "problem" and found["data"]["state"] == "ok"
    assert [file.name for file in full_disk.iterdir()] == ["others"]


@pytest.mark.slow
def test_all_of_it_as_a_person_runs_it(tmp_path: Path) -> None:
    """In a terminal that knows no Unicode; a video has a name that is none."""
    folder = tmp_path / "videos"
    for number in range(2):
        video(folder / f"{number}.mp4", first_number=number)
    (tmp_path / os.fsdecode(b"videos/\xff.mp4")).write_text("no video")
    words = ["preset=smoke", "data=folder", "data.path=videos", "metrics.protocol.lpips=[]"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ODVAE_", "MLFLOW_TRACKING"))
    }
    ran = subprocess.run(
        [sys.executable, "-m", "odvae", "doctor", *words],
        cwd=tmp_path,
        env=environment | {"PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    subjects = {line[2:15].strip() for line in lines[:-1]} - {""}
    assert subjects >= {"python", "torchvision", "gpu", "memory", "store", "model", "speed", "run"}
    assert "! data" in ran.stdout and "\\udcff.mp4" in ran.stdout
    assert lines[-1].startswith("0 problems, ")
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]
