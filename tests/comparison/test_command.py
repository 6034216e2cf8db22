"""python -m odvae.compare, on a store of runs made by hand."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from odvae.compare import main
from odvae.compose import compose_run
from odvae.config import RunConfig
from odvae.data import probe
from odvae.model import Architecture
from odvae.tracking import Store
from tests.comparison.made_runs import add_run, clip_ids

CLIPS = [f"video{number}.mp4@{number}+0,0" for number in range(12)]
GAIN_DB = {"1": 0.0, "2": 0.001, "4": 0.4}


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("ODVAE_DEBUG", raising=False)


def _scores(variant: str, seed: int, clips: list[str]) -> pd.DataFrame:
    shared = np.random.default_rng(0).normal(20, 2, len(clips))
    rng = np.random.default_rng([int(variant), seed])
    values = shared + GAIN_DB[variant] + rng.normal(0, 0.05, len(clips))
    columns = {"clip": clips, "finite": True, "psnr_db": values, "lpips_alex": 1 - values / 50}
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def small() -> RunConfig:
    GlobalHydra.instance().clear()
    return compose_run(("preset=smoke", "model.width=8", "model.norm_groups=channels/4"))


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory: pytest.TempPathFactory, small: RunConfig) -> Path:
    """Three variants of three seeds; and runs that do not go with them."""
    folder = tmp_path_factory.mktemp("outputs")
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = Store.open(folder)
    for seed in (0, 1, 2):
        for variant in GAIN_DB:
            scores = _scores(variant, seed, CLIPS)
            add_run(store, scratch, scores, variant=variant, seed=seed, config=small)
    ids = clip_ids(small)
    for variant in GAIN_DB:  # with models, and scores of clips that there are
        add_run(
            store,
            scratch,
            _scores(variant, 0, ids),
            variant=variant,
            init="random",
            config=small,
            model=None if variant == "2" else _tiny(variant),
            tags={"task": "evaluate"} if variant == "2" else {},
        )
    other = {"protocol": "ffffffff", "protocol.name": "wfvae"}
    add_run(store, scratch, _scores("4", 0, CLIPS), init="inflate", tags=other)
    add_run(store, scratch, None, init="center")
    return folder


def _tiny(variant: str) -> Architecture:
    return Architecture(variant=int(variant), width=8, blocks=1, norm_groups="channels/4")


def _say(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints when all is well."""
    GlobalHydra.instance().clear()
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def _complain(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that it says of a mistake."""
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r"odvae: .+\n", err)
    return err


def test_levels_of_what_differs(
    output_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "report"
    place = ("--output-dir", str(output_dir), "--to", str(to))
    text = _say(capsys, "variant=1,2,4", "init=tail", *place)
    assert re.search(r"variant 4 is better than variant 1 by 0\.[34]\d* dB PSNR", text)
    assert "no difference shown between variant 2 and variant 1 in PSNR" in text
    assert "p is corrected for 4 tests (Holm)" in text
    assert "12 clips, 3 seeds" in text
    assert "video" in text  # the clips on which they differ most
    table = pd.read_csv(to / "comparison.csv")
    assert list(table["level"]) == ["variant 2", "variant 4"] * 2
    assert set(table["baseline"]) == {"variant 1"}
    row = table[(table["level"] == "variant 4") & (table["metric"] == "psnr_db")]
    low, high, p, seeds = (row[name].item() for name in ("low", "high", "p_holm", "level_seeds"))
    assert low < 0.4 < high and p < 0.05 and seeds == 3
    markdown = (to / "comparison.md").read_text()
    assert "* variant 4 is better than variant 1 by 0." in markdown
    assert "## Where variant 4 and variant 1 differ most" in markdown
    assert (to / "differences.png").stat().st_size > 10_000
    assert "no videos: the data of run " in text  # it never held these clips


def test_runs_by_name_with_a_baseline(output_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"variant={variant} init=tail seed=0" for variant in ("1", "4")]
    options = ("--baseline", "variant=4", "--metric", "psnr_db", "--clips", "0")
    text = _say(capsys, *names, *options, "--output-dir", str(output_dir))
    assert re.search(r"variant 1 is worse than variant 4 by 0\.[34]\d* dB PSNR", text)
    assert "1 seed: interval over clips only" in text
    assert (output_dir / "compare" / "comparison.md").is_file()


def test_the_same_command_says_the_same(
    output_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("variant=1,4", "init=tail", "--output-dir", str(output_dir), "--to", str(tmp_path))
    assert _say(capsys, *words) == _say(capsys, *words)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("variant=4",),
            r"protocols - laptop \(0a1b2c3d\): .*wfvae \(ffffffff\): .*--across-protocols",
        ),
        (("init=center", "variant=4"), r"found \(1\) are of one configuration, variant 4, seeds 0"),
        (("variant=4,1", "init=tail,center"), r"has no scores/clips\.parquet.*rerun=true"),
        (("variant=4", "init=tail"), "nothing to compare"),
        (("variant=1,4", "init=tail", "--metric", "fvd"), "metric must be one of psnr_db, lpips"),
        (("variant=1,4", "init=tail", "--baseline", "seed=0"), "--baseline must pick one of"),
        (("variant=1,4", "init=tail", "--baseline", "variant=2"), "it picks no level"),
        (("variant=1,4", "init=tail", "--clips", "-1"), "--clips must be at least 0, got -1"),
        (("variant=1,4", "--resamples", "10"), "--resamples must be at least 1000, got 10"),
        (("varaint=1",), "varaint is neither tag nor parameter"),
        ((), "arguments are required"),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...],
    said: str,
    output_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = _complain(capsys, *arguments, "--output-dir", str(output_dir))
    assert re.search(said, line), line


def test_no_folder_is_made_for_a_mistyped_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not there" in _complain(capsys, "a", "--output-dir", str(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_protocols_are_mixed_when_told(
    output_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("variant=4", "init=tail,inflate", "--across-protocols", "--clips", "0")
    text = _say(capsys, *words, "--output-dir", str(output_dir), "--to", str(tmp_path))
    assert "init inflate, protocol.name wfvae" in text


# -- videos ------------------------------------------------------------------------------------


def test_clips_are_shown_side_by_side(
    small: RunConfig, output_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("differs_old.mp4", "mine.mp4"):
        (tmp_path / name).write_bytes(b"")
    place = ("--output-dir", str(output_dir), "--to", str(tmp_path))
    text = _say(capsys, "variant=1,4", "init=random", "--clips", "1", *place)
    files = sorted(tmp_path.glob("differs_*.mp4"))
    assert [file.name for file in files] == ["differs_variant_4-ahead-of-variant_1-1.mp4"]
    assert (tmp_path / "mine.mp4").exists()
    info = probe(files[0])
    factor = -(-256 // small.data.size_px)
    side = factor * small.data.size_px
    assert (info.frames, info.width, info.height) == (small.data.clip_frames, 3 * side, side + 48)
    assert "1 video)" in text
    assert f"[video]({files[0].name})" in (tmp_path / "comparison.md").read_text()


def test_a_model_that_was_not_kept_is_said(
    output_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--output-dir", str(output_dir), "--to", str(tmp_path))
    text = _say(capsys, "variant=1,2", "init=random", "--clips", "1", *place)
    assert "evaluated weights that it did not keep" in text
    assert "no difference shown" in text
    assert not list(tmp_path.glob("*.mp4"))
