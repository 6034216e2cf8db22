"""LPIPS is the published one, and its stand-in says that it is not."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models  # type: ignore[import-untyped, unused-ignore]

from odvae.errors import UserError
from odvae.metrics import Lpips, LpipsBackbone, UntrainedPerceptual, WeightsMissing, weights


def package_forward(network: Any, a: Tensor, b: Tensor) -> Tensor:
    """The distance of images (N, C, H, W) as the package itself computes it: (N,)."""
    distance: Tensor = network(a, b)
    return distance.flatten()


@pytest.fixture(scope="session")
def alexnet() -> nn.Sequential:
    """The feature layers of torchvision's AlexNet, with random weights."""
    layers: nn.Sequential = models.alexnet(weights=None).features
    return layers


@pytest.fixture
def random_alexnet(
    alexnet: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Tensor]:
    """AlexNet with random weights in place of the published file; only wiring is tested with it."""
    state = {f"features.{name}": tensor for name, tensor in alexnet.state_dict().items()}
    state["classifier.6.bias"] = torch.zeros(1000)  # the published file has a classifier too
    path = tmp_path / "random.pth"
    torch.save(state, path)
    monkeypatch.setattr(weights, "fetch", lambda name: path)
    return state


@pytest.mark.usefixtures("squeezenet")
def test_squeezenet_gives_the_number_of_the_torchmetrics_documentation() -> None:
    torch.manual_seed(42)
    a = torch.rand(10, 3, 100, 100) * 2 - 1
    b = torch.rand(10, 3, 100, 100) * 2 - 1
    with torch.no_grad():
        got = Lpips(LpipsBackbone.squeeze)(a.unsqueeze(2), b.unsqueeze(2))
    assert got.shape == (10, 1)
    assert got.mean().item() == pytest.approx(0.1005, abs=6e-5)


@pytest.mark.usefixtures("squeezenet")
def test_squeezenet_on_frames_equals_the_package_on_images(clips: Tensor) -> None:
    metric = Lpips(LpipsBackbone.squeeze)
    other = clips.flip(4)
    expected = torch.stack(
        [package_forward(metric.net, clips[:, :, t], other[:, :, t]) for t in range(9)], dim=1
    )
    torch.testing.assert_close(metric(clips, other), expected, rtol=1e-5, atol=1e-6)
    assert metric.name == "lpips_squeeze"
    assert metric.weights_file.startswith("squeezenet1_1")


@pytest.mark.usefixtures("squeezenet")
def test_lpips_wants_the_range_of_minus_1_to_1_and_clamps_to_it(clips: Tensor) -> None:
    metric = Lpips(LpipsBackbone.squeeze)
    clip = clips[:1, :, :2]
    other = (clip + 0.3).clamp(-1, 1)
    torch.testing.assert_close(metric(clip, clip), torch.zeros(1, 2))
    torch.testing.assert_close(metric(clip, clip + 0.3), metric(clip, other))
    half_range = metric((clip + 1) / 2, (other + 1) / 2)
    assert ((half_range / metric(clip, other)) - 1).abs().min() > 0.05  # [0, 1] is another number


@pytest.mark.usefixtures("random_alexnet")
def test_alexnet_is_wired_layer_by_layer(
    alexnet: nn.Sequential, clips: Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    metric = Lpips(LpipsBackbone.alex)
    image = clips[:, :, 0]
    expected = alexnet[:12](metric.net.scaling_layer(image))
    torch.testing.assert_close(metric.net.net(metric.net.scaling_layer(image))[-1], expected)
    got = metric(clips[:, :, :1], -clips[:, :, :1]).flatten()
    torch.testing.assert_close(got, package_forward(metric.net, image, -image))
    assert metric.name == "lpips_alex"
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("random_alexnet")
def test_heads_are_those_of_the_package() -> None:
    package = find_spec("lpips")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / "weights" / "v0.1" / "alex.pth"
    heads = torch.load(path, map_location="cpu", weights_only=True)
    metric = Lpips(LpipsBackbone.alex)
    assert len(metric.net.lins) == len(heads) == 5
    for index, head in enumerate(metric.net.lins):
        torch.testing.assert_close(head.model[0].weight, heads[f"lin{index}.model.1.weight"])
        assert (head.model[0].weight >= 0).all()  # a distance; random heads would be signed


@pytest.mark.parametrize("change", ["missing", "renamed", "resized"])
def test_a_backbone_that_does_not_match_is_refused(
    random_alexnet: dict[str, Tensor],
    change: str,
    tmp_path: Path,
) -> None:
    state = dict(random_alexnet)
    bias = state.pop("features.3.bias")
    if change == "renamed":
        state["features.4.bias"] = bias
    if change == "resized":
        state["features.3.bias"] = bias[:-1]
    torch.save(state, tmp_path / "random.pth")
    with pytest.raises(RuntimeError, match="state_dict"):
        Lpips(LpipsBackbone.alex)


def test_it_is_a_loss_with_finite_gradients_even_where_features_are_dead() -> None:
    metric = UntrainedPerceptual()
    original = torch.full((1, 3, 1, 32, 32), -1.0)
    reconstruction = torch.full((1, 3, 1, 32, 32), -0.9, requires_grad=True)
    for part in metric.net.net.children():
        for parameter in part.parameters():
            parameter.zero_()
    metric(original, reconstruction).sum().backward()
    assert reconstruction.grad is not None
    assert reconstruction.grad.isfinite().all()


@pytest.mark.usefixtures("random_alexnet")
def test_gradients_reach_the_reconstruction_but_not_the_network(clips: Tensor) -> None:
    metric = Lpips(LpipsBackbone.alex).train()
    reconstruction = (clips[:1, :, :2] * 0.5).requires_grad_()
    torch.testing.assert_close(
        metric(clips[:1, :, :2], reconstruction), metric(clips[:1, :, :2], reconstruction)
    )  # no dropout in training mode
    metric(clips[:1, :, :2], reconstruction).mean().backward()
    assert reconstruction.grad is not None
    assert reconstruction.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in metric.parameters())


@pytest.mark.usefixtures("bare_computer")
@pytest.mark.parametrize("backbone", LpipsBackbone)
def test_without_weights_there_is_no_lpips(backbone: LpipsBackbone) -> None:
    with pytest.raises(WeightsMissing):
        Lpips(backbone)


@pytest.mark.usefixtures("random_alexnet")
def test_frames_too_small_are_refused_and_the_smallest_is_not() -> None:
    metrics: list[Callable[[Tensor, Tensor], Tensor]] = [
        Lpips(LpipsBackbone.alex),
        UntrainedPerceptual(),
    ]
    for metric, smallest in zip(metrics, (31, 17), strict=True):
        frame = torch.rand(1, 3, 1, smallest, smallest)
        assert metric(frame, -frame).isfinite().all()
        with pytest.raises(UserError, match=f"at least {smallest} px, got {smallest - 1}x"):
            metric(frame[..., :-1, :], frame[..., :-1, :])


def test_stand_in_is_the_same_in_every_run_and_leaves_the_generator_alone(clips: Tensor) -> None:
    torch.manual_seed(1)
    first = UntrainedPerceptual()
    drawn = torch.rand(3)
    torch.manual_seed(1)
    torch.testing.assert_close(torch.rand(3), drawn, rtol=0, atol=0)
    second = UntrainedPerceptual()
    torch.testing.assert_close(first(clips, -clips), second(clips, -clips), rtol=0, atol=0)
    assert "lpips" not in first.name


def test_stand_in_orders_distortions(clips: Tensor) -> None:
    metric = UntrainedPerceptual()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(clips.shape, generator=generator)
    distances = [metric(clips, clips + sigma * noise).mean().item() for sigma in (0.0, 0.1, 0.4)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[0] < distances[1] < distances[2] < 2


def test_a_broken_frame_is_nan(clips: Tensor) -> None:
    broken = clips[:1, :, :2].clone()
    broken[0, 0, 1, 5, 5] = torch.inf
    assert UntrainedPerceptual()(clips[:1, :, :2], broken).isnan().tolist() == [[False, True]]
