"""What a run logs of its latents. Clips are (B, 3, T, H, W) in [-1, 1]."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from odvae.compose import compose_run
from odvae.experiment import latent_report
from odvae.experiment.context import Context
from odvae.experiment.evaluation import Bench
from odvae.experiment.heldout import HeldOut
from odvae.experiment.latent_picture import latents_png
from odvae.experiment.latent_report import channels_csv, latents_json, report_latents
from odvae.inference import Tiling
from odvae.metrics.latent_summary import LatentReport
from odvae.metrics.latents import LatentStatistics
from odvae.model import Compression, Deterministic, LatentScaling, Posterior
from odvae.tracking import RunLog
from odvae.training.team import Alone
from tests.inference.fake_vae import LosslessVAE
from tests.training.tiny import CPU, tiny_vae

OWN = LatentScaling(scale=(0.5,))


@dataclass
class Clips:
    """5 clips in batches of 2, read as often as asked."""

    reads: int = 0

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Iterator[tuple[list[str], Tensor]]:
        self.reads += 1
        clips = 2 * torch.rand(5, 3, 9, 32, 24, generator=torch.Generator().manual_seed(0)) - 1
        for batch in clips.split(2):
            yield [f"clip {number}" for number in range(len(batch))], batch


@dataclass
class Log:
    """Remembers what a run would store, and how far it was."""

    numbers: dict[tuple[str, int], float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    told: list[tuple[str, int]] = field(default_factory=list)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self.numbers |= {(name, step): value for name, value in values.items()}

    def text(self, text: str, path: str) -> None:
        self.texts[path] = text

    def file(self, path: Path, folder: str | None) -> None:
        assert path.is_file() and folder is None
        self.files.append(path.name)

    def began(self, run_id: str) -> None:
        raise AssertionError("the run began long ago")

    def stage(self, name: str, total: int) -> None:
        self.told.append((name, total))

    def done(self, parts: int) -> None:
        self.told.append(("done", parts))

    def note(self, text: str) -> None:
        raise AssertionError(text)

    def report(self, step: int, values: dict[str, float]) -> None:
        raise AssertionError("the training is over")


def told_of(
    vae: LosslessVAE, folder: Path, *words: str, tiling: Tiling | None = None
) -> tuple[Log, Clips]:
    log, clips = Log(), Clips()
    context = Context(
        config=compose_run(["preset=smoke", *words]),
        heldout=cast(HeldOut, clips),
        arithmetic=CPU,
        folder=folder,
        log=cast(RunLog, log),
        progress=log,
        team=Alone(),
    )
    bench = SimpleNamespace(arithmetic=CPU, tiling=tiling or Tiling.off())
    report_latents(context, cast(Bench, bench), vae)
    return log, clips


@pytest.fixture
def _no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else."""

    def draw(report: LatentReport, path: Path, *, own: LatentScaling) -> None:
        path.touch()

    monkeypatch.setattr(latent_report, "latents_png", draw)


def test_a_run_tells_of_its_latents(tmp_path: Path) -> None:
    vae = LosslessVAE(Compression(2, 2, 2))
    log, clips = told_of(vae, tmp_path, "train.steps=7")
    assert clips.reads == 1
    assert log.told == [("latents", 5), ("done", 2), ("done", 4), ("done", 5)]
    assert log.files == ["latents.png"]
    assert sorted(log.texts) == ["latents.csv", "latents.json"]
    single = {name for name, step in log.numbers if step == 7 and name.count("_by_") == 0}
    assert {
        "latent/kl_per_value",
        "latent/dead_channels",
        "latent/std",
        "latent/own_std",
        "latent/fitted_scale",
        "latent/autocorrelation_lag1",
        "latent/high_frequency_share",
    } <= single
    channels = [step for name, step in log.numbers if name == "latent/channel_std"]
    assert channels == [*range(vae.latent_channels)]
    lags = [step for name, step in log.numbers if name == "latent/autocorrelation_by_lag"]
    assert lags == [0, 1, 2, 3, 4]
    # The latents are the pixels: uniform in [-1, 1].
    facts = json.loads(log.texts["latents.json"])
    assert facts["clips"] == 5
    assert facts["shape"] == {"channels": 24, "frames": 5, "height": 16, "width": 12}
    assert facts["values"]["std"] == pytest.approx(1 / math.sqrt(3), abs=0.01)


@pytest.mark.usefixtures("_no_picture")
def test_an_evaluation_is_at_step_zero(tmp_path: Path) -> None:
    vae = LosslessVAE(Compression(2, 2, 2), posterior=False)
    log, _ = told_of(vae, tmp_path, "task=evaluate", "checkpoint=somewhere")
    assert ("latent/std", 0) in log.numbers
    assert ("latent/kl_per_value", 0) not in log.numbers


@pytest.mark.usefixtures("_no_picture")
def test_clips_are_encoded_under_the_tiling_and_padded_to_what_fits(tmp_path: Path) -> None:
    vae = LosslessVAE(Compression(4, 3, 1))  # of 32 rows
    whole, _ = told_of(vae, tmp_path)
    tiled, _ = told_of(vae, tmp_path, tiling=Tiling.temporal(5))
    assert json.loads(whole.texts["latents.json"])["shape"]["height"] == 11
    assert tiled.texts == whole.texts


def statistics(encoding: Posterior | Deterministic) -> LatentStatistics:
    result = LatentStatistics()
    result.add(encoding)
    return result


def latents(channels: int, *, frames: int = 3) -> Tensor:
    return torch.randn(2, channels, frames, 8, 8, generator=torch.Generator().manual_seed(0))


def test_tables_say_what_the_report_says() -> None:
    constant = latents(3)
    constant[:, 1] = 0.1
    report = statistics(Deterministic(constant)).result()
    facts = json.loads(latents_json(report, OWN))  # no NaN in it
    assert facts["dead_channels"] == [1]
    assert facts["correlation"][1] == [None, None, None]
    assert facts["scaling"]["fitted_by_channel"]["scale"][1] is None
    assert facts["scaling"]["own"]["scale"] == [0.5]
    assert facts["scaling"]["own"]["std"] == pytest.approx(0.5 / report.fitted.scale[0])
    rows = list(csv.DictReader(io.StringIO(channels_csv(report, OWN))))
    assert [row["channel"] for row in rows] == ["0", "1", "2"]
    assert [row["dead"] for row in rows] == ["0", "1", "0"]
    assert [row["own_scale"] for row in rows] == ["0.5"] * 3
    assert [float(row["std"]) for row in rows] == report.std.tolist()
    assert "kl" not in rows[0]


def test_shares_of_the_kl_are_in_the_table() -> None:
    report = statistics(Posterior(latents(8))).result()
    rows = list(csv.DictReader(io.StringIO(channels_csv(report, OWN))))
    assert len(rows) == 4
    assert sum(float(row["kl_share"]) for row in rows) == pytest.approx(1)


@pytest.mark.parametrize(
    "encoding",
    [
        Posterior(latents(8)),
        Posterior(latents(2, frames=1)),
        Deterministic(latents(40)),
        Deterministic(torch.zeros(2, 3, 2, 1, 1)),
        Posterior(torch.full((2, 8, 3, 4, 4), math.nan)),
    ],
    ids=["usual", "one image channel", "many channels", "all constant", "diverged"],
)
def test_whatever_latents_are_there_is_a_picture(
    encoding: Posterior | Deterministic, tmp_path: Path
) -> None:
    path = tmp_path / "latents.png"
    report = statistics(encoding).result()
    latents_png(report, path, own=OWN)
    assert path.stat().st_size > 10_000
    json.loads(latents_json(report, OWN))


def test_a_model_of_ours_is_told_of(tmp_path: Path) -> None:
    vae = tiny_vae().eval()
    with torch.no_grad():
        encoding = vae.encode(torch.zeros(1, 3, 5, 16, 16))
    report = statistics(encoding).result()
    assert report.shape == (4, 2, 2, 2)
    assert report.std_under(vae.latent_scaling) == pytest.approx(
        vae.latent_scaling.scale[0] / report.fitted.scale[0]
    )
