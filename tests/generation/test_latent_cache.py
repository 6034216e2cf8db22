"""What is read from a cache of latents: samples of posteriors, at unit variance, with labels."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.data import DataSource, open_source
from odvae.errors import UserError
from odvae.generation import latent_cache
from odvae.generation.latent_cache import LatentCache
from odvae.generation.windows import ClipWindows
from odvae.inference import Tiling, encode
from odvae.metrics.latents import LatentStatistics
from odvae.model import LatentScaling, Posterior
from tests.data.made_sources import make_ucf101, small
from tests.generation.made_caches import BY, Making, clip_of, windows_of
from tests.inference.fake_vae import LosslessVAE


def _noise(cache: LatentCache, clips: int) -> Tensor:
    return torch.randn(clips, *cache.shape, generator=torch.Generator().manual_seed(1))


def test_samples_are_drawn_from_the_posteriors_of_their_clips(
    short_videos: Path, tmp_path: Path
) -> None:
    windows = windows_of(short_videos)
    making = Making.of(windows, batch=3)
    assert making.fill(tmp_path) == len(windows)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    assert (len(cache), cache.shape) == (len(windows), (3 * BY.volume, 3, 2, 2))
    numbers = torch.tensor([3, 0, len(windows) - 1, 0])
    clips = torch.cat([clip_of(windows, n, short_videos) for n in numbers.tolist()])
    expected = encode(LosslessVAE(BY), clips, Tiling.off())
    assert isinstance(expected, Posterior)
    assert_close(cache.encoding(numbers).moments, expected.moments, atol=0, rtol=0)
    noise = _noise(cache, len(numbers))
    (scale,) = cache.scaling.scale
    drawn = cache.sample(numbers, noise=noise)
    assert drawn.dtype is torch.float32
    assert_close(drawn, expected.at(noise) * scale)
    assert_close(cache.sample(numbers, noise=None), expected.mean * scale)
    assert_close(cache.scaling.restore(drawn), expected.at(noise))
    assert cache.labels(numbers).tolist() == [-1] * 4
    listed = json.loads((cache.folder / "clips.json").read_text())["clips"]
    assert [clip["file"] for clip in listed] == [clip.file for clip in windows.manifest.clips]


def test_the_scale_is_that_of_all_drawn_latents(short_videos: Path, tmp_path: Path) -> None:
    windows = windows_of(short_videos)
    making = Making.of(windows)
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    statistics = LatentStatistics()
    for number in range(len(windows)):
        statistics.add(cache.encoding(torch.tensor([number])))
    assert_close(cache.scaling.scale, statistics.result().fitted.scale, rtol=1e-9, atol=0)
    numbers = torch.arange(len(cache)).repeat(3)
    drawn = cache.sample(numbers, noise=_noise(cache, len(numbers)))
    assert drawn.std().item() == pytest.approx(1, abs=0.01)


def test_the_vaes_own_scaling(short_videos: Path, tmp_path: Path) -> None:
    vae = LosslessVAE(BY)
    vae.latent_scaling = LatentScaling(scale=(0.5,), shift=(2.0,))
    making = Making.of(windows_of(short_videos), vae=vae)
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path), own_scaling=True)
    one = torch.tensor([1])
    assert_close(cache.sample(one, noise=None), (cache.encoding(one).mode() - 2) * 0.5)


def test_deterministic_latents_have_nothing_to_draw(short_videos: Path, tmp_path: Path) -> None:
    windows = windows_of(short_videos)
    making = Making.of(windows, vae=LosslessVAE(BY, posterior=False))
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    assert not cache.index.is_posterior and cache.shape == (3 * BY.volume, 3, 2, 2)
    numbers = torch.tensor([2, 1])
    drawn = cache.sample(numbers, noise=_noise(cache, 2))
    assert_close(drawn, cache.sample(numbers, noise=None), atol=0, rtol=0)
    latents = torch.cat([cache.encoding(torch.tensor([n])).moments for n in range(len(cache))])
    assert cache.scaling.scale[0] == pytest.approx(1 / latents.double().std(correction=0).item())


def test_labels_come_back_with_their_samples(tmp_path: Path) -> None:
    config = small(DataSource.ucf101, *make_ucf101(tmp_path / "data"))
    windows = ClipWindows.of(open_source(config).train, config, clips=None)
    making = Making.of(windows, vae=LosslessVAE(BY))
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    assert cache.labels(torch.arange(len(cache))).tolist() == windows.labels
    assert cache.index.classes == 2


def test_many_shards_through_few_open_files(
    short_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making.of(windows_of(short_videos), clips_per_shard=1)
    making.fill(tmp_path)
    folder = making.plan.folder(tmp_path)
    numbers = torch.tensor([3, 1, 0, 2, 1, 3])
    meant = LatentCache.open(folder).sample(numbers, noise=None)
    monkeypatch.setattr(latent_cache, "_OPEN_SHARDS", 1)
    assert_close(LatentCache.open(folder).sample(numbers, noise=None), meant, atol=0, rtol=0)


def test_a_number_or_noise_that_does_not_fit(short_videos: Path, tmp_path: Path) -> None:
    making = Making.of(windows_of(short_videos))
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    with pytest.raises(ValueError, match=rf"samples are 0 to {len(cache) - 1}, got {len(cache)}"):
        cache.sample(torch.tensor([len(cache)]), noise=None)
    with pytest.raises(ValueError, match="noise must be"):
        cache.sample(torch.tensor([0]), noise=torch.zeros(1, 1, 1, 1, 1))
    with pytest.raises(ValueError, match="numbers must be"):
        cache.labels(torch.tensor(0))


def test_a_cache_that_is_not_whole_is_not_opened(short_videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no cache; task=encode makes it"):
        LatentCache.open(tmp_path / "none")
    making = Making.of(windows_of(short_videos))
    making.fill(tmp_path)
    folder = making.plan.folder(tmp_path)
    (folder / "00001.safetensors").unlink()
    with pytest.raises(UserError, match=r"1 of \d shards are missing, the first is 00001"):
        LatentCache.open(folder)
    (folder / "00001.safetensors").write_bytes(b"damaged")
    cache = LatentCache.open(folder)
    cache.sample(torch.tensor([0]), noise=None)
    with pytest.raises(UserError, match=r"00001.safetensors cannot be read"):
        cache.sample(torch.tensor([2]), noise=None)
    (folder / "index.json").write_text("{}")
    with pytest.raises(UserError, match="not an index of latents"):
        LatentCache.open(folder)
    making.fill(tmp_path)
    assert len(LatentCache.open(folder)) == len(making.plan.windows)
    (folder / "index.json").unlink()
    with pytest.raises(UserError, match="not finished; task=encode"):
        LatentCache.open(folder)
