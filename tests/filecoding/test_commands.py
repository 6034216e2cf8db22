"""reconstruct, encode and decode, from file to file."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from odvae import load
from odvae.data.pixels import to_pixels, to_uint8
from odvae.decode import main as decode
from odvae.encode import main as encode
from odvae.inference import Tiling
from odvae.inference import reconstruct as reconstruct_clip
from odvae.model import Operators
from odvae.reconstruct import main as reconstruct
from tests.filecoding.made import (
    make_video,
    pictures,
    save_vae,
    sound_packets,
    times_s,
)

FRAMES = 14  # not 4k+1
IRREGULAR = [40 * i + 13 * (i % 3) for i in range(FRAMES)]
TILINGS = {
    "off": Tiling.off(),
    "temporal": Tiling.temporal(9),
    "spatiotemporal": Tiling.spatiotemporal(9, tile_px=32, overlap=0.25),
    "stream": Tiling.stream(6),
}
FLAGS = {
    "off": (),
    "temporal": ("--group-frames", "9"),
    "spatiotemporal": ("--group-frames", "9", "--tile-px", "32", "--overlap", "0.25"),
    "stream": ("--chunk-frames", "6"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a VAE and a video of odd size, irregular, with sound."""
    folder = tmp_path_factory.mktemp("coding")
    save_vae(folder / "vae")
    make_video(folder / "in.mkv", IRREGULAR, size_px=(21, 35), sound="aac")
    make_video(folder / "in.mp4", IRREGULAR, sound="aac")
    return folder


def words(*parts: object) -> list[str]:
    return [str(part) for part in parts]


@pytest.mark.parametrize("tiling", TILINGS)
@torch.no_grad()
def test_what_is_written_is_the_whole_clip_reconstructed(place: Path, tiling: str) -> None:
    """Lossless: each pixel of an odd size, each frame of an odd length, under each tiling."""
    target = place / f"{tiling}.mkv"
    flags = ("--vae", place / "vae", "--tiling", tiling, *FLAGS[tiling], "--lossless")
    assert reconstruct(words(place / "in.mkv", target, *flags)) == 0
    clip = to_pixels(pictures(place / "in.mkv"))[None]
    expected = to_uint8(reconstruct_clip(load(place / "vae"), clip, TILINGS[tiling])[0])
    got = pictures(target)
    assert got.shape == expected.shape == (FRAMES, 21, 35, 3)
    assert expected.std() > 1
    assert np.abs(got.astype(int) - expected).max() <= 1  # rounding, of another order of sums


def test_times_and_sound_are_kept(place: Path) -> None:
    target = place / "kept.mp4"
    assert reconstruct(words(place / "in.mp4", target, "--vae", place / "vae")) == 0
    assert times_s(target) == times_s(place / "in.mp4")
    assert sound_packets(target) == sound_packets(place / "in.mp4")
    content = target.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"moof" not in content  # the usual form, and not the fragments it was written in


def test_sound_that_the_container_does_not_take_is_coded(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_video(place / "wavpack.mkv", range(0, 2000, 40), sound="wavpack")
    assert reconstruct(words(source, place / "coded.mp4", "--vae", place / "vae")) == 0
    assert "wavpack, coded as AAC" in capsys.readouterr().out
    packets = sound_packets(place / "coded.mp4")
    assert packets[-1][0] == pytest.approx(2, abs=0.2)


def test_encoded_and_decoded_is_reconstructed(place: Path) -> None:
    once, latents, again = place / "once.mkv", place / "l.safetensors", place / "again.mkv"
    vae = ("--vae", place / "vae", "--tiling", "stream", "--chunk-frames", "6")
    assert reconstruct(words(place / "in.mkv", once, *vae, "--lossless")) == 0
    assert encode(words(place / "in.mkv", latents, *vae)) == 0
    sound = ("--audio-from", place / "in.mkv")
    assert decode(words(latents, again, "--lossless", *sound)) == 0
    assert np.array_equal(pictures(again), pictures(once))
    assert times_s(again) == times_s(once)
    assert sound_packets(again) == sound_packets(once)
    with safe_open(latents, framework="pt") as file:  # an ordinary safetensors file
        assert file.get_tensor("latents").shape == (5, 4, 3, 5)
        assert np.diff(file.get_tensor("pts")).tolist() == np.diff(IRREGULAR).tolist()


def test_latents_of_another_vae_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, latents = save_vae(place / "other", seed=1), place / "mine.safetensors"
    assert encode(words(place / "in.mp4", latents, "--vae", place / "vae")) == 0
    refused = words(latents, place / "x.mp4", "--vae", other)
    assert decode(refused) == 2
    assert "--force" in capsys.readouterr().err
    assert decode([*refused, "--force"]) == 0


def test_scores_of_each_frame(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = place / "scored.mkv"
    flags = ("--vae", place / "vae", "--metrics", "--side-by-side", "--lossless")
    assert reconstruct(words(place / "in.mkv", target, *flags)) == 0
    rows = list(csv.DictReader((place / "scored.mkv.csv").open()))
    both, original = pictures(target), pictures(place / "in.mkv")
    assert np.array_equal(both[:, :, :35], original)
    error = (both[:, :, 35:].astype(float) - original) / 255
    psnr_db = -10 * np.log10(np.square(error).mean(axis=(1, 2, 3)))
    assert [float(row["psnr_db"]) for row in rows] == pytest.approx(psnr_db.tolist(), abs=0.01)
    assert f"PSNR {psnr_db.mean():.2f} dB" in capsys.readouterr().out


def test_a_turned_video_comes_out_upright(place: Path) -> None:
    source = make_video(place / "turned.mp4", [0, 40, 80], degrees=90)
    target = place / "upright.mkv"
    flags = ("--vae", place / "vae", "--lossless", "--side-by-side")
    assert reconstruct(words(source, target, *flags)) == 0
    assert np.array_equal(pictures(target)[:, :, :24], np.rot90(pictures(source), axes=(1, 2)))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv"])
@pytest.mark.parametrize("frames", [1, 2])
def test_short_videos(place: Path, suffix: str, frames: int) -> None:
    source = make_video(place / f"{frames}.mp4", range(0, 40 * frames, 40))
    target = place / f"short{frames}{suffix}"
    assert reconstruct(words(source, target, "--vae", place / "vae")) == 0
    assert pictures(target).shape == (frames, 24, 32, 3)


def test_a_late_start_is_not_kept(place: Path) -> None:
    """A broadcast may start at any hour; the file written starts at 0."""
    source = make_video(
        place / "late.mp4", range(77000, 77010), rate=Fraction(10), time_base=Fraction(1, 10)
    )
    target = place / "early.mp4"
    assert reconstruct(words(source, target, "--vae", place / "vae")) == 0
    assert times_s(target) == pytest.approx([i / 10 for i in range(10)])


def test_mistakes_are_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "text.mp4").write_text("no video")
    save_vae(place / "paper", operators=Operators.paper)
    source, vae, new = place / "in.mp4", ("--vae", place / "vae"), place / "new.mp4"
    for mistake, reason in [
        ((place / "none.mp4", new, *vae), "No such file"),
        ((place / "text.mp4", new, *vae), "Invalid data"),
        ((source, place / "no" / "new.mp4", *vae), "no such folder"),
        ((source, source, *vae), "is the input itself"),
        ((source, place / "in.mkv", *vae), "--overwrite"),
        ((source, place / "new.txt", *vae), "must end in .mp4"),
        ((source, new, *vae, "--lossless"), "goes into .mkv"),
        ((source, new, *vae, "--tiling", "quilt"), "quilt"),
        ((source, new, *vae, "--tiling", "temporal", "--group-frames", "8"), "4m+1"),
        ((source, new, *vae, "--tiling", "stream", "--tile-px", "64"), "means nothing"),
        ((source, new, "--vae", place / "paper", "--tiling", "stream"), "whole clip"),
        ((source, new, "--vae", place / "no_vae"), "no such folder"),
    ]:
        assert reconstruct(words(*mistake)) == 2, reason
        err = capsys.readouterr().err
        assert reason in err and err.count("\n") == 1, err
        assert not new.exists()
    assert decode(words(source, new)) == 2
    assert capsys.readouterr().err.count("\n") == 1
