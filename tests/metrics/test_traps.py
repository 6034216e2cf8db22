"""Traps that evaluators fall into: each would have given another number, and ours does not.

Clips are (B, 3, T, H, W) in [-1, 1].
"""

import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import models  # type: ignore[import-untyped, unused-ignore]

from odvae.clip_terms import ResizeFilter
from odvae.metrics import (
    Evaluation,
    EvaluationResult,
    Lpips,
    LpipsBackbone,
    LpipsMode,
    Scorers,
    UntrainedPerceptual,
    psnr_db,
    weights,
)
from odvae.metrics.frechet import frechet_distance_of
from tests.experiment.benches import CPU, ERROR_DB, Off, bench_of, composed, lossless, score


class ToyFeatures:
    """Mean colour and contrast of a clip."""

    name = "frechet_toy"
    dimensions = 4

    def features(self, clips: Tensor) -> Tensor:
        means = clips.double().mean(dim=(2, 3, 4))
        return torch.cat([means, clips.double().std(dim=(1, 2, 3, 4))[:, None]], dim=1)


@pytest.fixture
def worse(clips: Tensor) -> Tensor:
    """The six clips with noise that grows from one to the next."""
    generator = torch.Generator().manual_seed(7)
    sigma = torch.linspace(0.02, 0.4, 6).view(6, 1, 1, 1, 1)
    return clips + sigma * torch.randn(clips.shape, generator=generator)


def evaluate(scorers: Scorers, original: Tensor, other: Tensor, batch: int) -> EvaluationResult:
    evaluation = Evaluation(scorers)
    for start in range(0, len(original), batch):
        part = slice(start, start + batch)
        ids = [str(number) for number in range(len(original))[part]]
        evaluation.add(ids, original[part], other[part])
    return evaluation.result()


# -- averages --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_frechet_distance_is_never_that_of_batches(clips: Tensor, batch: int) -> None:
    """Of a set to the same set in another order it is 0; of its batches it is not."""
    network, turned = ToyFeatures(), clips.roll(1, dims=0)
    ours = evaluate(Scorers((), (network,), CPU), clips, turned, batch).values()["frechet_toy"]
    assert ours == pytest.approx(0, abs=1e-12)
    pairs = zip(
        network.features(clips).split(batch), network.features(turned).split(batch), strict=True
    )
    parts = [
        float((a - b).square().sum())  # all that is left of it for one clip
        if batch == 1
        else frechet_distance_of(a, b)
        for a, b in pairs
    ]
    assert statistics.mean(parts) > 0.001


def test_a_smaller_last_batch_weighs_no_more_than_its_clips(clips: Tensor, worse: Tensor) -> None:
    scorers = Scorers((), (), CPU)
    ours = evaluate(scorers, clips, worse, 4)  # four clips, then two
    by_clip = psnr_db(clips, worse).mean(dim=1)
    assert ours.psnr_db == pytest.approx(by_clip.mean().item())
    assert ours.psnr_db == pytest.approx(evaluate(scorers, clips, worse, 6).psnr_db)
    trap = statistics.mean([by_clip[:4].mean().item(), by_clip[4:].mean().item()])
    assert abs(trap - ours.psnr_db) > 0.5


# -- pixels ----------------------------------------------------------------------------------


def test_pixels_go_through_a_codec_only_where_the_protocol_says_so(short_videos: Path) -> None:
    exact = score(bench_of(composed(short_videos)), Off(lossless().compression))
    assert exact.psnr_db == pytest.approx(ERROR_DB, abs=0.2)
    lossy = ("metrics.protocol.mpeg4_bits_per_px=1.5", "metrics.protocol.rounding=nearest")
    coded = score(bench_of(composed(short_videos, *lossy)), Off(lossless().compression))
    assert abs(coded.psnr_db - exact.psnr_db) > 1
    # Where it does, both sides go: what is lost by the codec alone is no error of the model.
    assert score(bench_of(composed(short_videos, *lossy)), lossless()).psnr_db == 100


def test_bytes_are_refused_instead_of_wrapping_round() -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(30, 226, size=(3, 2, 32, 32), dtype=np.uint8)
    noise = np.rint(generator.laplace(scale=8, size=a.shape)).clip(-30, 29).astype(np.int64)
    b = (a + noise).astype(np.uint8)
    with pytest.raises(ValueError, match="pixels must be floats"):
        psnr_db(torch.from_numpy(a)[None], torch.from_numpy(b)[None])
    x, y = (torch.from_numpy(clip)[None].double() / 127.5 - 1 for clip in (a, b))
    ours = psnr_db(x, y).mean().item()
    by_frame = (noise.astype(float) ** 2).mean(axis=(0, 2, 3))
    assert ours == pytest.approx(float(np.mean(10 * np.log10(255**2 / by_frame))), abs=1e-6)
    with np.errstate(over="ignore"):
        wrapped = ((a - b) ** 2).astype(float).mean(axis=(0, 2, 3))  # uint8 all the way
    assert float(np.mean(10 * np.log10(255**2 / wrapped))) > ours + 0.5


@pytest.mark.parametrize("resize", ResizeFilter)
def test_both_sides_come_from_one_resize(short_videos: Path, resize: ResizeFilter) -> None:
    ours = bench_of(composed(short_videos, f"metrics.protocol.resize={resize.value}"))
    assert score(ours, lossless()).psnr_db == 100
    other = next(one for one in ResizeFilter if one is not resize)
    theirs = bench_of(composed(short_videos, f"metrics.protocol.resize={other.value}"))
    trap = torch.cat(
        [psnr_db(a, b) for (_, a), (_, b) in zip(ours.heldout, theirs.heldout, strict=True)]
    )
    assert trap.mean() < 60
    assert ours.stamp.fingerprint != theirs.stamp.fingerprint


# -- LPIPS -----------------------------------------------------------------------------------


class Watched(UntrainedPerceptual):
    """Keeps the range of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.range = (0.0, 0.0)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        self.range = (min(self.range[0], a.min().item()), max(self.range[1], a.max().item()))
        return super().forward(a, b)


def test_perceptual_networks_are_fed_minus_one_to_one(clips: Tensor, worse: Tensor) -> None:
    network = Watched()
    ours = evaluate(Scorers((network,), (), CPU), clips, worse, 6).values()[network.name]
    assert network.range[0] < -0.5 and network.range[1] > 0.5
    with torch.no_grad():
        trap = network((clips + 1) / 2, (worse.clamp(-1, 1) + 1) / 2).double().mean().item()
    assert abs(trap / ours - 1) > 0.02


@pytest.fixture
def random_backbones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in place of the published ones: names and wiring are all that is tested."""

    def fetch(name: str) -> Path:
        path = tmp_path / name
        with torch.device("meta"):  # without drawing the classifiers, which are not used
            layers = {"alexnet": models.alexnet, "vgg16": models.vgg16}[name](weights=None).features
        generator = torch.Generator().manual_seed(0)
        state = {
            f"features.{key}": 0.05 * torch.randn(value.shape, generator=generator)
            for key, value in layers.state_dict().items()
        }
        torch.save(state, path)
        return path

    monkeypatch.setattr(weights, "fetch", fetch)


@pytest.mark.usefixtures("random_backbones")
def test_backbones_and_modes_never_share_a_name(clips: Tensor, worse: Tensor) -> None:
    networks = (
        Lpips(LpipsBackbone.alex),
        Lpips(LpipsBackbone.alex, LpipsMode.spatial),
        Lpips(LpipsBackbone.vgg),
    )
    result = evaluate(Scorers(networks, (), CPU), clips[:2], worse[:2], 2).values()
    ours = [result[name] for name in ("lpips_alex", "lpips_alex_spatial", "lpips_vgg")]
    assert len({round(value, 12) for value in ours}) == 3
    assert abs(ours[2] / ours[0] - 1) > 0.01  # one taken for the other is another number
    assert 0 < abs(ours[1] / ours[0] - 1) < 0.01  # enlarging a map hardly changes its mean
    assert "perceptual" not in " ".join(result)


@pytest.mark.usefixtures("random_backbones")
def test_the_spatial_mode_is_that_of_the_package(clips: Tensor) -> None:
    metric = Lpips(LpipsBackbone.alex, LpipsMode.spatial)
    metric.net.spatial = True
    a, b = clips[:, :, 0], clips.flip(4)[:, :, 0]
    with torch.no_grad():
        expected = metric.net(a, b).mean(dim=(1, 2, 3))  # its map, (N, 1, H, W)
        got = metric(a.unsqueeze(2), b.unsqueeze(2)).flatten()
    torch.testing.assert_close(got, expected)
