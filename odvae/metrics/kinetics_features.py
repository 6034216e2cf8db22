"""torchvision's video networks trained on Kinetics-400, as features to compare sets of clips with.

What each is shown is data: that of its published weights (``...Weights.KINETICS400_V1.transforms``
of torchvision.models.video). Its features are what its classifier would see. Every network is a
metric of its own; none of them gives an FVD. Clips are (B, 3, T, H, W) in [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.frechet_features import too_short
from odvae.metrics.pixels import unit_range


@dataclass(frozen=True, kw_only=True)
class KineticsNetwork:
    """One of torchvision's networks, with the input that its weights were published for."""

    name: str  # torchvision's, and that of the weights
    build: Callable[[Any], nn.Module]  # of the module torchvision.models.video, random weights
    classifier: str  # attribute that is left out
    dimensions: int  # D of what the classifier sees
    resize_px: tuple[int, int] | int  # height and width whatever the aspect, or the short side
    crop_px: int  # of the centre
    mean: tuple[float, float, float]  # of red, green, blue on [0, 1]
    std: tuple[float, float, float]
    min_frames: int
    frames: int | None = None  # where only one number will do: so many, evenly spaced, are shown

    @property
    def metric(self) -> str:
        """Name of the Frechet distance of its features."""
        return f"frechet_{self.name}"


_TORCHVISION_MEAN = (0.43216, 0.394666, 0.37645)
_TORCHVISION_STD = (0.22803, 0.22145, 0.216989)
R3D_18 = KineticsNetwork(
    name="r3d_18",
    build=lambda video: video.r3d_18(),
    classifier="fc",
    dimensions=512,
    resize_px=(128, 171),
    crop_px=112,
    mean=_TORCHVISION_MEAN,
    std=_TORCHVISION_STD,
    min_frames=1,
)
# Of one family: the same input and as many features.
MC3_18 = replace(R3D_18, name="mc3_18", build=lambda video: video.mc3_18())
R2PLUS1D_18 = replace(R3D_18, name="r2plus1d_18", build=lambda video: video.r2plus1d_18())
S3D = KineticsNetwork(
    name="s3d",
    build=lambda video: video.s3d(),
    classifier="classifier",
    dimensions=1024,
    resize_px=(256, 256),
    crop_px=224,
    mean=_TORCHVISION_MEAN,
    std=_TORCHVISION_STD,
    min_frames=14,
)
MVIT_V2_S = KineticsNetwork(
    name="mvit_v2_s",
    build=lambda video: video.mvit_v2_s(),
    classifier="head",
    dimensions=768,
    resize_px=256,
    crop_px=224,
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
    min_frames=16,
    frames=16,  # its positions are relative to a grid of fixed size
)
SWIN3D_T = KineticsNetwork(
    name="swin3d_t",
    build=lambda video: video.swin3d_t(),
    classifier="head",
    dimensions=768,
    resize_px=256,
    crop_px=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    min_frames=1,
)
KINETICS_NETWORKS = (R3D_18, MC3_18, R2PLUS1D_18, S3D, MVIT_V2_S, SWIN3D_T)


class KineticsFeatures(nn.Module):
    """Features of one of torchvision's networks with its published weights.

    The state of the global generator is left as it was.

    Raises:
        WeightsMissing: the weights are not here and could not be downloaded.
    """

    def __init__(self, network: KineticsNetwork) -> None:
        path = weights.fetch(network.name)
        from torchvision.models import video  # takes seconds: only where it is needed

        super().__init__()
        self.row = network
        self.name = network.metric
        self.dimensions = network.dimensions
        with torch.random.fork_rng(devices=[]):  # the random weights that are replaced
            self.network = network.build(video)
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        setattr(self.network, network.classifier, nn.Identity())
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Features (B, D) in float64 of clips (B, 3, T, H, W) in [-1, 1].

        Raises:
            UserError: the clips have too few frames for the network.
        """
        features: Tensor = self.network(shown(self.row, clips))
        return features.double()


def shown(network: KineticsNetwork, clips: Tensor) -> Tensor:
    """What a network is shown of clips (B, 3, T, H, W) in [-1, 1]: (B, 3, T', crop, crop).

    Bilinear without antialiasing, then the centre, then its mean and standard deviation.

    Raises:
        UserError: too few frames.
    """
    frames = clips.shape[2]
    if frames < network.min_frames:
        raise UserError(
            too_short(network.metric, network.name, least=network.min_frames, frames=frames)
        )
    if network.frames is not None:
        positions = torch.linspace(0, frames - 1, network.frames).round().long()
        clips = clips[:, :, positions.to(clips.device)]
    images = unit_range(clips).float().transpose(1, 2)  # (B, T, C, H, W)
    batch, frames = images.shape[:2]
    images = images.flatten(0, 1)
    size = _resized(network, images.shape[-2], images.shape[-1])
    images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
    top, left = (round((side - network.crop_px) / 2) for side in size)  # a half goes to even
    images = images[:, :, top : top + network.crop_px, left : left + network.crop_px]
    mean, std = (
        torch.tensor(values, device=images.device).view(3, 1, 1)
        for values in (network.mean, network.std)
    )
    normalised: Tensor = ((images - mean) / std).unflatten(0, (batch, frames))
    return normalised.transpose(1, 2)


def _resized(network: KineticsNetwork, height: int, width: int) -> tuple[int, int]:
    """Height and width after resizing; a long side that follows is rounded down."""
    if isinstance(network.resize_px, tuple):
        return network.resize_px
    short = min(height, width)
    return height * network.resize_px // short, width * network.resize_px // short
