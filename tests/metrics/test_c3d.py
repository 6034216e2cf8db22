"""C3D: its shapes, its input, and checkpoints that are read without running anything."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from odvae.errors import UserError
from odvae.metrics import WeightsMissing, weights
from odvae.metrics.c3d import BGR_MEAN, C3d, c3d_shown, load_c3d, read_checkpoint


@pytest.fixture(scope="module")
def network() -> C3d:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return C3d().eval()


@pytest.fixture(scope="module")
def clip() -> Tensor:
    return torch.rand(1, 3, 17, 40, 60, generator=torch.Generator().manual_seed(1)) * 2 - 1


def save_npz(state: dict[str, Tensor], path: Path) -> None:
    """As chainer does: conv1a/W, conv1a/b and so on."""
    names = {"weight": "W", "bias": "b"}
    arrays = {
        f"{layer}/{names[kind]}": tensor.numpy()
        for (layer, kind), tensor in ((name.split("."), value) for name, value in state.items())
    }
    np.savez(path, **arrays)  # type: ignore[arg-type, unused-ignore]


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        counts = {k: sum(p.numel() for p in C3d(k).parameters()) for k in (101, 487)}
    assert counts == {101: 78_409_573, 487: 79_991_015}


@pytest.mark.slow
def test_probabilities_and_a_round_trip_through_npz(
    network: C3d, clip: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c3d.npz"
    save_npz(network.state_dict(), path)
    monkeypatch.setenv("ODVAE_C3D", str(path))
    loaded = load_c3d()
    assert loaded.classes == 101 and not loaded.training
    expected = network.probabilities(clip)
    assert expected.shape == (1, 101) and expected.dtype == torch.float64
    torch.testing.assert_close(expected.sum(dim=1), torch.ones(1).double())
    torch.testing.assert_close(loaded.probabilities(clip), expected, rtol=0, atol=0)


def test_torch_and_safetensors_files_are_read_too(tmp_path: Path) -> None:
    state = {"fc8.weight": torch.rand(3, 4), "fc8.bias": torch.rand(3).half()}
    torch.save(state, tmp_path / "c3d.pth")
    save_file(state, tmp_path / "c3d.safetensors")
    for name in ("c3d.pth", "c3d.safetensors"):
        got = read_checkpoint(tmp_path / name)
        assert got.keys() == state.keys()
        for key, tensor in got.items():
            torch.testing.assert_close(tensor, state[key].float())


def test_pooling_takes_what_is_left_at_the_edge() -> None:
    """16x112x112 ends as 1x4x4, the last row and column being what 7 px leave over."""
    plane = torch.zeros(1, 1, 2, 7, 7)
    plane[..., 6, 6] = 3.0
    assert F.max_pool3d(plane, 2, ceil_mode=True)[0, 0, 0, 3, 3] == 3
    with torch.device("meta"):
        logits = C3d(487)(torch.empty(2, 3, 16, 112, 112))
    assert logits.shape == (2, 487)


def test_it_is_shown_blue_first_less_the_mean() -> None:
    clip = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1, 1).expand(1, 3, 20, 30, 50)
    seen = c3d_shown(clip)
    assert seen.shape == (1, 3, 16, 112, 112)
    expected = torch.tensor([0.0, 127.5, 255.0]) - torch.tensor(BGR_MEAN)
    torch.testing.assert_close(seen[0, :, 5, 50, 50], expected)


def test_it_is_shown_the_first_frames_and_the_centre() -> None:
    clip = torch.rand(1, 3, 20, 128, 128, generator=torch.Generator().manual_seed(2)) * 2 - 1
    seen = c3d_shown(clip)
    expected = 127.5 * (clip[0, 2, 3, 8:120, 8:120] + 1) - BGR_MEAN[0]
    torch.testing.assert_close(seen[0, 0, 3], expected, rtol=0, atol=1e-3)


def test_it_needs_sixteen_frames() -> None:
    with pytest.raises(UserError, match="at least 16 frames, got 9"):
        c3d_shown(torch.zeros(1, 3, 9, 32, 32))


@pytest.mark.usefixtures("bare_computer")
def test_it_is_used_only_where_the_user_names_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODVAE_C3D", raising=False)
    assert weights.find("c3d") is None
    with pytest.raises(WeightsMissing, match=r"published nowhere.*set ODVAE_C3D to"):
        load_c3d()
    monkeypatch.setenv("ODVAE_C3D", str(tmp_path / "none.npz"))
    with pytest.raises(WeightsMissing, match=r"ODVAE_C3D names .*none\.npz, which is no file"):
        load_c3d()


@pytest.mark.parametrize("name", ["bad.npz", "bad.pth", "bad.safetensors"])
def test_code_in_a_checkpoint_is_never_run(name: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Code:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(ran), "w")

    path = tmp_path / name
    if name.endswith(".npz"):
        code = {"conv1a/W": np.array([Code()], dtype=object)}
        np.savez(path, **code)  # type: ignore[arg-type, unused-ignore]
    else:
        path.write_bytes(pickle.dumps({"conv1a.weight": Code()}, protocol=2))
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"head.weight": torch.zeros(2)}, "fc8.bias is missing"),
        ({"fc8.bias": torch.zeros(7)}, r"conv1a\.bias is missing"),
    ],
)
def test_another_network_is_refused_in_one_line(
    tensors: dict[str, Tensor], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(tensors, tmp_path / "other.pth")
    monkeypatch.setenv("ODVAE_C3D", str(tmp_path / "other.pth"))
    with pytest.raises(UserError, match=message):
        load_c3d()
