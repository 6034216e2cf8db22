"""Clips of any length through VAEs that take them, and clips and latents that are refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.generation.latent_cache import LatentCache
from odvae.inference import Tiling, encode
from odvae.model import Compression, Deterministic, Encoding, Posterior
from odvae.model.streaming import State
from tests.data.made_videos import FORMATS, make_video
from tests.generation.made_caches import BY, Making, clip_of, windows_of
from tests.inference.fake_vae import LosslessVAE
from tests.model.formula import small as small_vae


class _Watched(LosslessVAE):
    """It remembers the most frames that it was handed at once."""

    def __init__(self) -> None:
        super().__init__(BY)
        self.most_frames = 0

    def encode(self, video: Tensor) -> Encoding:
        raise AssertionError("the whole clip was encoded at once")

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        self.most_frames = max(self.most_frames, video.shape[2])
        return super().encode_piece(video, state, last=last)


def test_a_long_clip_is_streamed(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        make_video(tmp_path / "videos" / f"{name}.mkv", 80, FORMATS["mkv, lossless"])
    windows = windows_of(tmp_path / "videos", clip_frames=79)
    watched = _Watched()
    streamed = Making.of(windows, vae=watched, tiling=Tiling.stream(8))
    whole = Making.of(windows)
    for making in (streamed, whole):
        making.fill(tmp_path)
    assert watched.most_frames == 8
    caches = [LatentCache.open(making.plan.folder(tmp_path)) for making in (streamed, whole)]
    assert caches[0].folder != caches[1].folder
    moments = [cache.encoding(torch.tensor([0])).moments for cache in caches]
    assert_close(moments[0], moments[1], atol=0, rtol=0)


def test_a_causal_vae_in_groups(tmp_path: Path) -> None:
    """The paper's tiling: what the cache has is what ``encode`` gives."""
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        make_video(tmp_path / "videos" / f"{name}.mkv", 40, FORMATS["mkv, lossless"])
    windows = windows_of(tmp_path / "videos", clip_frames=37)
    vae, tiling = small_vae(4), Tiling.temporal(9)
    making = Making.of(windows, vae=vae, tiling=tiling)
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    expected = encode(vae, clip_of(windows, 0, tmp_path / "videos"), tiling)
    assert_close(cache.encoding(torch.tensor([0])).moments, expected.moments)


def test_a_length_that_the_vae_does_not_take_is_continued(
    short_videos: Path, tmp_path: Path
) -> None:
    windows = windows_of(short_videos, clip_frames=6)
    making = Making.of(windows)
    making.fill(tmp_path)
    cache = LatentCache.open(making.plan.folder(tmp_path))
    clip = clip_of(windows, 0, short_videos)
    longer = torch.cat([clip, clip[:, :, -1:]], dim=2)
    expected = encode(LosslessVAE(BY), longer, Tiling.off())
    assert_close(cache.encoding(torch.tensor([0])).moments, expected.moments, atol=0, rtol=0)


def test_a_side_that_the_vae_would_cut(short_videos: Path) -> None:
    with pytest.raises(UserError, match=r"data.size_px must be a multiple of 32 .* got 16"):
        Making.of(windows_of(short_videos), vae=LosslessVAE(Compression(2, 32, 32)))


class _Broken(LosslessVAE):
    def encode(self, video: Tensor) -> Encoding:
        return Posterior(super().encode(video).moments * torch.inf)


def test_latents_that_are_not_finite(short_videos: Path, tmp_path: Path) -> None:
    making = Making.of(windows_of(short_videos), vae=_Broken(BY))
    with pytest.raises(UserError, match=r"@0 are not finite.*trainer.precision=fp32"):
        making.fill(tmp_path)
    assert making.sound(tmp_path) == []


class _Constant(LosslessVAE):
    def encode(self, video: Tensor) -> Encoding:
        return Deterministic(torch.zeros_like(super().encode(video).mode()))


def test_latents_that_are_all_the_same(short_videos: Path, tmp_path: Path) -> None:
    making = Making.of(windows_of(short_videos), vae=_Constant(BY))
    with pytest.raises(UserError, match="no scale fits them"):
        making.fill(tmp_path)
