"""Perceptual distances of frames: LPIPS (Zhang et al. 2018), and a stand-in without any weights.

Clips are (B, C, T, H, W) in [-1, 1]. The networks are those of the package ``lpips``, but that
package is never let near the network: it would download its backbone, or take any file of the
right name unchecked.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.pixels import check_pair, displayed


class LpipsBackbone(Enum):
    """The network whose features are compared. Numbers of two backbones are never comparable."""

    alex = "alex"
    vgg = "vgg"
    squeeze = "squeeze"


class LpipsMode(Enum):
    """How the distances of a frame's positions become one number; each is a metric of its own."""

    mean = "mean"  # over the positions of each layer, as published
    spatial = "spatial"  # over the pixels of the layers' maps, enlarged to the frame


@dataclass(frozen=True)
class _Trunk:
    weights: str  # row of odvae.metrics.weights
    min_size_px: int  # below it a pooling layer has nothing left to pool


_TRUNKS = {
    LpipsBackbone.alex: _Trunk("alexnet", min_size_px=31),
    LpipsBackbone.vgg: _Trunk("vgg16", min_size_px=16),
    LpipsBackbone.squeeze: _Trunk("squeezenet", min_size_px=17),
}
UNTRAINED_SEED = 2018


def lpips_name(backbone: LpipsBackbone, mode: LpipsMode) -> str:
    """What the number is reported as."""
    return f"lpips_{backbone.value}" + ("_spatial" if mode is LpipsMode.spatial else "")


def min_size_px(backbone: LpipsBackbone) -> int:
    """Smallest height and width, in pixels, that a backbone can look at."""
    return _TRUNKS[backbone].min_size_px


def weights_at_hand(backbone: LpipsBackbone) -> bool:
    """Whether a backbone's weights are on this computer; never asks the network."""
    return weights.find(_TRUNKS[backbone].weights) is not None


class Lpips(nn.Module):
    """LPIPS of every frame; as a training loss it passes gradients to its inputs.

    Its own parameters are frozen, and it has no dropout, so ``train()`` changes nothing.

    Raises:
        WeightsMissing: the backbone's weights are not here and could not be downloaded.
    """

    def __init__(self, backbone: LpipsBackbone, mode: LpipsMode = LpipsMode.mean) -> None:
        super().__init__()
        path = weights.fetch(_TRUNKS[backbone].weights)
        self.name = lpips_name(backbone, mode)
        self.mode = mode
        self.min_size_px = min_size_px(backbone)
        self.weights_file = path.name
        with torch.device("meta"):  # all of it is loaded next; VGG alone has 120 M unused weights
            self.net = _package_network(backbone)
        _load_trunk(self.net.net, path)
        _load_heads(self.net.lins, backbone)
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of every frame of two clips (B, C, T, H, W), clamped to [-1, 1]: (B, T).

        Raises:
            UserError: the frames are too small for the backbone.
        """
        return _by_frame(self._distance, a, b, name=self.name, min_size_px=self.min_size_px)

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        layers = zip(self.net.lins, _layer_differences(self.net, a, b), strict=True)
        maps = [head(layer) for head, layer in layers]  # (N, 1, H_l, W_l) each
        if self.mode is LpipsMode.spatial:
            size = a.shape[-2:]
            maps = [F.interpolate(one, size, mode="bilinear", align_corners=False) for one in maps]
        return torch.stack([one.mean(dim=(1, 2, 3)) for one in maps]).sum(dim=0)


class UntrainedPerceptual(nn.Module):
    """What remains of LPIPS without weights: SqueezeNet features of fixed random filters.

    The squared differences of unit-normalised features, summed over channels, averaged over
    positions and then layers: from 0 to 2. It orders distortions; it is not LPIPS and not on its
    scale. The filters are the same in every run, whatever the state of the global generator,
    which is left as it was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = "perceptual_untrained_squeeze"
        self.min_size_px = min_size_px(LpipsBackbone.squeeze)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(UNTRAINED_SEED)
            self.net = _package_network(LpipsBackbone.squeeze)
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of every frame of two clips (B, C, T, H, W), clamped to [-1, 1]: (B, T).

        Raises:
            UserError: the frames are too small for the network.
        """
        return _by_frame(self._distance, a, b, name=self.name, min_size_px=self.min_size_px)

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        layers = _layer_differences(self.net, a, b)
        return torch.stack([layer.sum(dim=1).mean(dim=(1, 2)) for layer in layers]).mean(dim=0)


def _package_network(backbone: LpipsBackbone) -> Any:
    """The network of the package, trunk and heads not yet loaded.

    Without dropout, which the package would switch on in training mode. Imported here because
    the package brings seconds of imports that no other metric needs.
    """
    import lpips  # type: ignore[import-untyped, unused-ignore]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="torchvision")  # the package's old argument names
        return lpips.LPIPS(
            net=backbone.value, pretrained=False, pnet_rand=True, use_dropout=False, verbose=False
        )


def _load_trunk(trunk: nn.Module, path: Path) -> None:
    """Load torchvision's classifier file; every feature layer must match, both ways.

    torchvision calls layer 3 ``features.3``, the package ``slice2.3``.
    """
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    slices = {name.partition(".")[2]: name for name in trunk.state_dict()}
    trunk.load_state_dict(
        {
            slices.get(name.removeprefix("features."), name): tensor.float()
            for name, tensor in state.items()
            if not name.startswith("classifier.")
        },
        strict=True,
        assign=True,
    )


def _load_heads(heads: nn.ModuleList, backbone: LpipsBackbone) -> None:
    """Load the linear heads that the package brings; its names count a dropout layer as 0."""
    import lpips

    path = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{backbone.value}.pth"
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    heads.load_state_dict(
        {
            name.removeprefix("lin").replace(".model.1.", ".model.0."): tensor.float()
            for name, tensor in state.items()
        },
        strict=True,
        assign=True,
    )


def _by_frame(
    distance: Callable[[Tensor, Tensor], Tensor],
    a: Tensor,
    b: Tensor,
    *,
    name: str,
    min_size_px: int,
) -> Tensor:
    """Apply a distance of images (N, C, H, W) -> (N,) to every frame: (B, C, T, H, W) -> (B, T)."""
    check_pair(a, b)
    batch, _, frames, height, width = a.shape
    if min(height, width) < min_size_px:
        raise UserError(f"{name} needs frames of at least {min_size_px} px, got {height}x{width}")
    images_a = displayed(a).float().transpose(1, 2).flatten(0, 1)  # (B*T, C, H, W)
    images_b = displayed(b).float().transpose(1, 2).flatten(0, 1)
    return distance(images_a, images_b).view(batch, frames)


def _layer_differences(net: Any, a: Tensor, b: Tensor) -> list[Tensor]:
    """Squared differences of unit-normalised features, one (N, C_l, H_l, W_l) for each layer.

    Written out instead of the package's forward, whose own normalisation has a NaN gradient
    where all features of a position are zero.
    """
    layers_a, layers_b = (net.net(net.scaling_layer(images)) for images in (a, b))
    return [
        (F.normalize(x, dim=1, eps=1e-10) - F.normalize(y, dim=1, eps=1e-10)).square()
        for x, y in zip(layers_a, layers_b, strict=True)
    ]
