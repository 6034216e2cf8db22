"""Networks whose features are compared as sets. Clips are (B, 3, T, H, W) in [-1, 1].

Here are I3D and the network without weights; those of torchvision are in ``kinetics_features``.
"""

import warnings
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.pixels import displayed

I3D_SIZE_PX = 224
I3D_MIN_FRAMES = 10  # three strides of 2 must leave the two frames that the last pooling takes
UNTRAINED_SEED = 2017


class FeatureNetwork(Protocol):
    """A clip in, one row of numbers out."""

    name: str  # of the Frechet distance of its features
    dimensions: int  # D

    def features(self, clips: Tensor) -> Tensor:
        """Features (B, D) in float64 of clips (B, 3, T, H, W) in [-1, 1]."""
        ...


class I3d(nn.Module):
    """I3D trained on Kinetics-400, whose 400 logits make the Frechet distance an FVD.

    Raises:
        WeightsMissing: the network is not here and could not be downloaded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = "fvd"
        self.dimensions = 400
        path = weights.fetch("i3d")
        with warnings.catch_warnings():  # TorchScript is deprecated; no other format is published
            warnings.simplefilter("ignore", FutureWarning)
            network = torch.jit.load(path, map_location="cpu")
        self.network = network.eval()

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Features (B, 400) in float64 of clips (B, 3, T, H, W) in [-1, 1].

        Raises:
            UserError: the clips have fewer than 10 frames.
        """
        if clips.shape[2] < I3D_MIN_FRAMES:
            raise UserError(i3d_too_short(clips.shape[2]))
        seen = i3d_crop(displayed(clips).float())
        features: Tensor = self.network(seen, rescale=False, resize=False, return_features=True)
        return features.double()


class UntrainedR3d18(nn.Module):
    """Average-pooled features of a 3D ResNet-18 with fixed random weights, at native size.

    For where I3D is not to be had: a Frechet distance that orders distortions of one test set.
    It is not FVD and not on its scale. The weights are the same in every run, whatever the state
    of the global generator, which is left as it was.
    """

    def __init__(self) -> None:
        # Imported here because torchvision takes seconds that a run with I3D need not wait.
        from torchvision.models.video import (  # type: ignore[import-untyped, unused-ignore]
            r3d_18,
        )

        super().__init__()
        self.name = "fvd_untrained_r3d18"
        self.dimensions = 512
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(UNTRAINED_SEED)
            self.network = r3d_18(weights=None)
        self.network.fc = nn.Identity()
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Features (B, 512) in float64 of clips (B, 3, T, H, W) in [-1, 1]."""
        features: Tensor = self.network(displayed(clips).float())
        return features.double()


def kernel_name(frechet_name: str) -> str:
    """Name of the kernel distance of the same features: fvd, kvd; frechet_s3d, kvd_s3d."""
    return f"kvd{frechet_name.removeprefix('fvd').removeprefix('frechet')}"


def too_short(metric: str, network: str, *, least: int, frames: int) -> str:
    """Why a network cannot look at clips of so few frames."""
    return f"{metric}: {network} needs clips of at least {least} frames, got {frames}"


def i3d_too_short(frames: int) -> str:
    """Why I3D cannot look at clips of so few frames."""
    return too_short("fvd", "I3D", least=I3D_MIN_FRAMES, frames=frames)


def i3d_crop(clips: Tensor) -> Tensor:
    """Resize clips (B, C, T, H, W) to a short side of 224, then crop the centre 224x224.

    Bilinear without antialiasing, the long side rounded up, as the published numbers were made.
    """
    batch, channels, frames, height, width = clips.shape
    short = min(height, width)
    tall, wide = (-(-side * I3D_SIZE_PX // short) for side in (height, width))  # rounded up
    images = clips.transpose(1, 2).flatten(0, 1)  # (B*T, C, H, W)
    images = F.interpolate(images, size=(tall, wide), mode="bilinear", align_corners=False)
    top, left = (tall - I3D_SIZE_PX) // 2, (wide - I3D_SIZE_PX) // 2
    images = images[:, :, top : top + I3D_SIZE_PX, left : left + I3D_SIZE_PX]
    return images.reshape(batch, frames, channels, I3D_SIZE_PX, I3D_SIZE_PX).transpose(1, 2)
