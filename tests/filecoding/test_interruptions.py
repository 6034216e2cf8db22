"""However a reconstruction ends, what it wrote plays; and a longer one takes no more memory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from odvae.data.config import DataConfig
from odvae.data.pixels import to_pixels, to_uint8
from odvae.data.trees import list_bundled
from odvae.filecoding.writer import VideoWriter
from odvae.inference import Tiling
from odvae.inference import reconstruct as reconstruct_clip
from odvae.reconstruct import main
from odvae.vaes import load
from tests.filecoding.made import make_video, pictures, save_vae, sound_packets

MANY = range(0, 40 * 10_000, 40)


def start(folder: Path, name: str) -> "subprocess.Popen[str]":
    """Reconstruct a long video in a process of its own."""
    make_video(folder / "in.mp4", MANY[:2000], sound="aac")
    return subprocess.Popen(
        [sys.executable, "-m", "odvae.reconstruct", "in.mp4", name, "--vae", "vae"],
        cwd=save_vae(folder / "vae").parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_bytes(path: Path, size: int) -> None:
    end = time.monotonic() + 120
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
@pytest.mark.slow
def test_killed_in_the_middle_it_plays(tmp_path: Path, name: str) -> None:
    process = start(tmp_path, name)
    wait_for_bytes(tmp_path / name, 30_000)
    process.kill()
    process.wait()
    assert 20 < len(pictures(tmp_path / name)) < 2000
    assert sound_packets(tmp_path / name)


@pytest.mark.slow
def test_terminated_it_is_closed_in_order(tmp_path: Path) -> None:
    process = start(tmp_path, "out.mp4")
    wait_for_bytes(tmp_path / "out.mp4", 30_000)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted; what was done is in OUT" in err and "Traceback" not in err
    assert 20 < len(pictures(tmp_path / "out.mp4")) < 2000
    assert b"moof" not in (tmp_path / "out.mp4").read_bytes()


def test_interrupted_it_holds_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = VideoWriter.write

    def interrupted(self: VideoWriter, frame: object) -> None:
        if self.frames == 30:
            signal.raise_signal(signal.SIGTERM)  # handled as Ctrl-C is
        write(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoWriter, "write", interrupted)
    source = make_video(tmp_path / "in.mp4", MANY[:60], sound="aac")
    target, vae = tmp_path / "out.mp4", save_vae(tmp_path / "vae")
    assert main([str(source), str(target), "--vae", str(vae)]) == 130
    assert "what was done is in OUT" in capsys.readouterr().err
    assert len(pictures(target)) == 30
    assert sound_packets(target)[-1][0] == pytest.approx(30 / 25, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "tiling"),
    [
        ("temporal", Tiling.temporal()),
        ("spatiotemporal", Tiling.spatiotemporal(tile_px=64)),
        ("stream", Tiling.stream()),
    ],
)
@torch.no_grad()
def test_the_bikes_clip(tmp_path: Path, mode: str, tiling: Tiling) -> None:
    """250 frames, not 4k+1. Cropped to a corner, since the frames are large."""
    (bikes,) = (one.path for one in list_bundled(DataConfig()).videos if one.name == "bikes.mp4")
    frames = pictures(bikes)[:, :64, :96]
    assert len(frames) == 250
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    make_video(source, MANY[:250], frames=frames)
    vae = save_vae(tmp_path / "vae")
    flags = ["--vae", str(vae), "--tiling", mode, "--lossless"]
    flags += ["--tile-px", "64"] if mode == "spatiotemporal" else []  # two tiles wide
    assert main([str(source), str(target), *flags]) == 0
    whole = Tiling.off() if mode == "stream" else tiling
    expected = to_uint8(reconstruct_clip(load(vae), to_pixels(frames)[None], whole)[0])
    got = pictures(target)
    assert got.shape == expected.shape
    assert abs(got.astype(int) - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "frames"), [("stream", 10_000), ("temporal", 4_000)])
def test_memory_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, frames: int
) -> None:
    resident: dict[int, int] = {}
    write = VideoWriter.write

    def measured(self: VideoWriter, frame: object) -> None:
        write(self, frame)  # type: ignore[arg-type]
        if self.frames % 1000 == 0:
            resident[self.frames] = int(Path("/proc/self/statm").read_text().split()[1])

    monkeypatch.setattr(VideoWriter, "write", measured)
    source = make_video(tmp_path / "in.mp4", MANY[:frames], size_px=(48, 64), sound="aac")
    target, vae = tmp_path / "out.mp4", save_vae(tmp_path / "vae")
    assert main([str(source), str(target), "--vae", str(vae), "--tiling", mode]) == 0
    assert resident[frames] <= 1.05 * resident[2000]
